//! What a report says: what could not match, what is counted and raises nothing, what it leaves out; and its page.

use std::process::Command;

use serde_json::json;

use super::lab::{FEW, Few, Lab, RULES, find, text, virga};

#[test]
fn a_building_block_has_hits_and_no_alerts() {
    let lab = Lab::new();
    let rules = lab.write("rules.yml", RULES);
    let report = lab.backtest(&["--rules", &rules]);
    let set = &report["sets"][0];
    let block = find(&set["rules"], "describes");
    assert_eq!((&block["kind"], &block["alerts"]), (&json!("block"), &json!(0)));
    assert!(block["hits"].as_u64() > Some(0), "{block}");
    let summed: u64 =
        set["rules"].as_array().expect("rules").iter().filter_map(|rule| rule["alerts"].as_u64()).sum();
    assert_eq!(set["alerts"], summed);
    let expected = format!(
        "expect: [{{rule: describes, alerts: 0, hits: {}}}, {{rule: describes, hits: {{max: 0}}}}]\n",
        block["hits"]
    );
    let expect = lab.write("expect.yml", &expected);
    let args = ["backtest", "--quiet", "--archive", text(&lab.lake), "--rules", &rules, "--expect", &expect];
    let output = virga(&args);
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("describes: hits") && !said.contains("describes: alerts: expected"), "{said}");
}

#[test]
fn a_curve_that_is_asked_for_is_drawn_or_told_why_not() {
    let few = Few::new();
    let rules = few.write("rules.yml", FEW);
    let report = few.report(&["--rules", &rules, "--curve", "ADDRESSES"]);
    let curve = find(&report["sets"][0]["curves"], "addresses");
    assert_eq!((&curve["points"], &curve["muted"]), (&json!([{"n": 2, "alerts": 1}]), &json!(false)));
    for name in ["nobody", "reads"] {
        let output = few.run(&["--rules", &rules, "--curve", name]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("there is no correlation `{name}`")), "{said}");
    }
    let outer = "---\ntitle: outer\nlevel: low\ncorrelation: {type: event_count, rules: [addresses], group-by: [principal], timespan: 1h, condition: {gte: 1}}\n";
    let chain = few.write("chain.yml", &(FEW.to_owned() + outer));
    let report = few.report(&["--rules", &chain, "--curve", "outer", "--curve", "addresses"]);
    let curves = &report["sets"][0]["curves"];
    assert_eq!(find(curves, "addresses")["muted"], true, "its alerts are not raised");
    let missing = find(curves, "outer")["missing"].to_string();
    assert!(missing.contains("only a number of events"), "{missing}");
}

#[test]
fn a_page_says_what_it_leaves_out() {
    let few = Few::new();
    let rule = |number: usize| {
        format!(
            "title: r{number}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: {{s: {{eventName: GetObject}}, condition: s}}\n"
        )
    };
    let rules: Vec<String> = (0..201).map(rule).collect();
    let rules = few.write("rules.yml", &(rules.join("---\n") + "---" + FEW));
    let labels = few.write(
        "labels.yml",
        "incidents: [{name: <unseen>, from: 2026-03-02, to: 2026-03-03, entity: {principal: bob}}]\n",
    );
    let page = few.write("page.html", "");
    few.report(&["--rules", &rules, "--html", &page, "--labels", &labels]);
    let page = std::fs::read_to_string(page).expect("a page");
    for part in [
        "These are the first 200 of 203 rules",
        "Nothing told of the incident &lt;unseen&gt;",
        "The files of that stretch hold 3 events",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn what_could_not_match_is_told() {
    let lab = Lab::new();
    let rules = lab.write(
        "rules.yml",
        "title: dead\nlogsource: {product: cloud, service: normalized}\ndetection: {s: {action: x}, t: {passed_role: y}, condition: s and t}\n---\ntitle: blind\nlogsource: {product: azure, service: signinlogs}\ndetection: {s: {a: x}, condition: s}\n---\ntitle: news\nname: news\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventSource: ec2.amazonaws.com}, condition: s}\n---\ntitle: new service\nlevel: low\ncorrelation: {type: new_terms, rules: [news], group-by: [account], field: action, history: 30d, warmup: {min_age: 1h, min_events: 20}}\n",
    );
    let report = lab.backtest(&["--rules", &rules]);
    assert_eq!(find(&report["sets"][0]["dead"], "dead")["fields"][0], "passed_role");
    find(&report["sets"][0]["blind"], "blind");
    let notes = report["notes"].to_string();
    assert!(notes.contains("new service") && notes.contains("30 d"), "{notes}");
}

#[test]
fn an_archive_that_is_not_there_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let html = folder.path().join("report.html");
    let output = virga(&["backtest", "--archive", text(&folder.path().join("none")), "--html", text(&html)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no archive"));
    assert!(!html.exists());
}

#[test]
fn a_browser_shows_the_report() {
    let lab = Lab::new();
    let old = lab.write("old.yml", RULES);
    let new = lab.write("new.yml", &RULES.replace("ec2.amazonaws.com", "s3.amazonaws.com"));
    let html = lab.path("report.html");
    lab.backtest(&["--rules", &old, "--against", &new, "--html", &html]);
    let page = std::fs::read_to_string(&html).expect("a page");
    assert!(
        !page.contains("http://") && !page.contains("https://") && !page.contains("<script"),
        "loads nothing"
    );
    assert!(page.contains("that only A has") || page.contains("that only B has"), "more than are shown");
    let (rules, thresholds) = (page.find("<h2>Rules of"), page.find("<h2>Thresholds of"));
    assert!(rules.is_some() && rules < thresholds, "rules stand before other thresholds");
    for part in ["A: errors", "B: errors", "scan: rules on them"] {
        assert!(page.contains(part), "{part}");
    }
    let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    });
    let Some(browser) = browser else {
        eprintln!("skipped: no chromium (Debian: apt-get install chromium)");
        return;
    };
    let profile = tempfile::tempdir().expect("a folder");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", &format!("file://{html}")])
        .output()
        .expect("a browser");
    let dom = String::from_utf8_lossy(&output.stdout);
    for part in [
        "chart bars",
        "chart split",
        "chart curve",
        "chart amounts",
        "many calls",
        "not eventSource",
        "of the bytes read",
    ] {
        assert!(dom.contains(part), "{part} in {dom}");
    }
    assert!(dom.matches("<rect").count() > 50, "bars are there");
}
