//! `python.sh`: installed once, anew where the pins change, and a word where it cannot be. With a Python that only
//! makes folders, so that no network is asked.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use virga_test_support::workspace;

/// What stands for Python: it is of some version, and makes environments whose pip writes down what it was asked.
const PYTHON: &str = r#"#!/usr/bin/env bash
[ "$1" = -c ] && exit "$(cat "$(dirname "$0")/is_old")"
mkdir -p "$3/bin"
cat >"$3/bin/pip" <<PIP
#!/usr/bin/env bash
echo "\$*" >>"$(dirname "$0")/asked"
echo "what pip says"
exit "$(cat "$(dirname "$0")/is_away")"
PIP
printf '#!/usr/bin/env bash\nexit 0\n' >"$3/bin/python"
chmod +x "$3/bin/pip" "$3/bin/python"
"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        place.write("python", PYTHON);
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(place.path("python"), executable).expect("an executable");
        place.write("is_old", "0");
        place.write("is_away", "0");
        place.write("requirements.txt", "# what for\nthing==1.2\nother==3\n");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    fn run(&self, python: &Path, args: &[&str]) -> Output {
        Command::new(workspace().join("tests/support/python.sh"))
            .args(args)
            .env("VIRGA_CACHE", self.path("cache"))
            .env("PYTHON", python)
            .output()
            .expect("a shell")
    }

    fn pinned(&self) -> Output {
        let requirements = self.path("requirements.txt").display().to_string();
        self.run(&self.path("python"), &["--pinned", "thing", &requirements])
    }

    /// How often something was installed.
    fn installed(&self) -> usize {
        fs::read_to_string(self.path("asked")).unwrap_or_default().lines().count()
    }
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).trim().to_owned())
}

#[test]
fn pinned_packages_are_installed_once_and_anew_where_a_pin_changes() {
    let place = Place::new();
    let there = |version: &str| {
        let python = place.path("cache").join(format!("thing-{version}/bin/python"));
        (Some(0), python.display().to_string())
    };
    for _ in 0..2 {
        assert_eq!(said(&place.pinned()), there("1.2"));
        assert_eq!(place.installed(), 1);
    }
    place.write("requirements.txt", "thing==1.2\nother==4\n");
    assert_eq!((said(&place.pinned()), place.installed()), (there("1.2"), 2));
    place.write("requirements.txt", "thing==1.3\nother==4\n");
    assert_eq!((said(&place.pinned()), place.installed()), (there("1.3"), 3));
    // what is there needs nobody who installs
    place.write("is_old", "1");
    assert_eq!((said(&place.pinned()), place.installed()), (there("1.3"), 3));
}

#[test]
fn what_cannot_be_had_is_said_and_leaves_nothing_that_looks_whole() {
    let place = Place::new();
    place.write("is_old", "1");
    let (status, text) = said(&place.pinned());
    assert!(status == Some(2) && text.contains("older than 3.11"), "{status:?} {text}");
    place.write("is_old", "0");
    place.write("is_away", "1");
    for tried in 1..3 {
        let (status, text) = said(&place.pinned());
        assert!(status == Some(3) && text.contains("what pip says"), "{status:?} {text}");
        assert_eq!(place.installed(), tried);
    }
    place.write("is_away", "0");
    assert_eq!(said(&place.pinned()).0, Some(0));
}

#[test]
fn other_packages_are_installed_where_they_cannot_be_imported() {
    let place = Place::new();
    let args = ["some", "import thing", "thing>=1"];
    for _ in 0..2 {
        let (status, text) = said(&place.run(&place.path("python"), &args));
        assert!(status == Some(0) && text.contains("cache/python/some/bin/python"), "{status:?} {text}");
        assert_eq!(place.installed(), 1);
    }
    let (status, text) = said(&place.run(&place.path("nobody"), &["else", "import thing", "thing>=1"]));
    assert!(status == Some(3) && text.contains("skipped"), "{status:?} {text}");
}
