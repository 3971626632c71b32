//! The whole process, run within a test: signals and watched rules.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use virga_engine::RuleSet;
use virga_engine::diagnostic::SourceFile;

use super::run;
use crate::archive::Outside;
use crate::config::Config;
use crate::rules::{Loaded, Loader};

const RULE: &str = "title: a\nlevel: high\nlogsource: {product: aws, service: cloudtrail}\n\
                    detection: {s: {eventName: A}, condition: s}\n";

/// Signals reach whatever runs in this process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn config(folder: &Path) -> Config {
    let text = "[state]\nfolder = \"state\"\n[metrics]\noff = true\n[rules]\npaths = [\"rules\"]\n\
                [[input]]\nname = \"in\"\n[input.follow]\npaths = [\"*.log\"]\n\
                [[sink]]\nname = \"out\"\n[sink.stdout]\n";
    Config::parse(text, folder).unwrap()
}

fn signal(names: impl IntoIterator<Item = &'static str>) {
    let own = std::process::id().to_string();
    for name in names {
        assert!(Command::new("kill").args([name, &own]).status().unwrap().success());
    }
}

/// Counts how often rules are loaded, before each.
fn counting(loads: &Arc<AtomicUsize>, before: impl Fn(usize) + Send + std::marker::Sync + 'static) -> Loader {
    let loads = Arc::clone(loads);
    Arc::new(move || {
        before(loads.fetch_add(1, Ordering::Relaxed));
        let file = Arc::new(SourceFile { name: "r.yml".into(), text: RULE.into() });
        Ok(Loaded { set: RuleSet::load([file], &Default::default()), environment: Arc::default() })
    })
}

#[test]
fn signals_that_come_while_rules_are_compiled_are_heard_and_the_end_waits_for_no_reload() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let loads = Arc::default();
    let loader = counting(&loads, |before| {
        if before == 0 {
            signal(std::iter::repeat_n("-HUP", 20).chain(["-TERM"]));
        }
    });
    run(&config(folder.path()), &loader, &Outside::default()).unwrap();
    // one that is under way when the end is asked for comes to its own end
    assert!(loads.load(Ordering::Relaxed) <= 2);
}

#[test]
fn a_folder_of_rules_that_was_replaced_is_watched_like_the_one_before() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for path in ["rules", "new"] {
        fs::create_dir(at(path)).unwrap();
        fs::write(at(path).join("a.yml"), RULE).unwrap();
    }
    let loads: Arc<AtomicUsize> = Arc::default();
    let loader = counting(&loads, |_| {});
    std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&config(folder.path()), &loader, &Outside::default()));
        let loaded = |count: usize, deed: &dyn Fn()| {
            let until = Instant::now() + Duration::from_secs(30);
            // what comes before the watch is there is read and not heard of
            while loads.load(Ordering::Relaxed) < count && Instant::now() < until {
                deed();
                sleep(Duration::from_millis(20));
            }
            loads.load(Ordering::Relaxed) >= count
        };
        let has_begun = loaded(1, &|| {});
        let until = Instant::now() + Duration::from_secs(30);
        while !at("state/inputs/in").exists() && Instant::now() < until {
            sleep(Duration::from_millis(20));
        }
        let write = || fs::write(at("rules/a.yml"), RULE).unwrap();
        let is_heard = loaded(2, &write);
        fs::rename(at("rules"), at("old")).unwrap();
        fs::rename(at("new"), at("rules")).unwrap();
        let now = loads.load(Ordering::Relaxed);
        let is_replaced = loaded(now + 1, &|| {});
        let now = loads.load(Ordering::Relaxed);
        let is_heard_again = loaded(now + 1, &write);
        signal(["-TERM"]);
        running.join().unwrap().unwrap();
        assert_eq!((has_begun, is_heard, is_replaced, is_heard_again), (true, true, true, true));
    });
}
