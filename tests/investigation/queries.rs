//! `docs/queries.md`: every query of the page is run, and its answer is what the stories tell.

use serde_json::Value;
use virga_test_support::workspace;

use crate::lake::Lake;

/// The queries of the page, by their headings.
fn page() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(workspace().join("docs/queries.md")).expect("the page");
    let sections = text.split("\n## ").skip(1);
    sections
        .map(|section| {
            let (heading, rest) = section.split_once('\n').expect("a heading");
            let sql = rest.split_once("```sql\n").expect("a query").1.split_once("```").expect("its end").0;
            assert_eq!(rest.matches("```sql").count(), 1, "{heading}: one query a heading");
            (heading.to_owned(), sql.to_owned())
        })
        .collect()
}

/// Some row that has all of these values.
fn has(rows: &[Value], wanted: &[(&str, Value)]) -> bool {
    rows.iter().any(|row| wanted.iter().all(|(name, value)| row[*name] == *value))
}

/// What a query must answer at least.
fn check(heading: &str, rows: &[Value]) {
    let text = |name: &str, value: &str| (name.to_owned(), Value::from(value));
    let some = |wanted: &[(String, Value)]| {
        let wanted: Vec<(&str, Value)> =
            wanted.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert!(has(rows, &wanted), "{heading}: no {wanted:?} in {rows:#?}");
    };
    match heading {
        "Who used this key, and from where?" => {
            some(&[text("principal", "arn:aws:iam::111122223333:user/report-exporter")]);
            let calls: i64 = rows.iter().filter_map(|row| row["calls"].as_i64()).sum();
            // as many as the story's file has of that key
            assert_eq!(calls, 84);
        }
        "What left this bucket?" => {
            let thief =
                rows.iter().find(|row| row["src_ip"] == "203.0.113.87" || row["src_ip"] == "192.0.2.66");
            let thief = thief.unwrap_or_else(|| panic!("{rows:#?}"));
            assert!(thief["gigabytes"].as_f64() > Some(5.0), "{rows:#?}");
            let objects: i64 = rows.iter().filter_map(|row| row["objects"].as_i64()).sum();
            assert!(objects >= 64, "{rows:#?}");
        }
        "Who called which model, and for how many tokens?" => {
            assert!(rows.iter().filter(|row| row["tokens_out"].as_i64() > Some(0)).count() >= 3, "{rows:#?}");
            some(&[text("provider", "aws")]);
            some(&[text("provider", "azure")]);
        }
        "Which addresses are new for whom?" => some(&[
            text("src_ip", "203.0.113.87"),
            text("principal", "arn:aws:iam::444455556666:role/doc-render"),
        ]),
        "Who failed again and again, and then succeeded?" => {
            let ben = rows.iter().find(|row| row["principal_name"] == "ben.ortiz");
            let ben = ben.unwrap_or_else(|| panic!("{rows:#?}"));
            assert_eq!((&ben["failures"], &ben["src_ip"]), (&Value::from(6), &Value::from("203.0.113.31")));
        }
        "Who was given which rights?" => {
            let all = format!("{rows:?}");
            assert!(all.contains("backup-sync") && all.contains("AdministratorAccess"), "{rows:#?}");
            assert!(rows.iter().any(|row| row["grants_external"] == true), "{rows:#?}");
        }
        "Which session opened which, and what was done with it?" => {
            some(&[text("action", "CreateAccessKey"), ("calls".into(), Value::from(22))]);
            some(&[text("action", "AssumeRoleWithWebIdentity")]);
        }
        "Who stands behind an impersonated service account?" => some(&[
            text("behind", "report-export@fernleaf-ml.iam.gserviceaccount.com"),
            text("service_account", "platform-admin@fernleaf-ml.iam.gserviceaccount.com"),
            ("calls".into(), Value::from(62)),
        ]),
        "Who switched off or deleted logs?" => {
            some(&[text("action", "StopLogging")]);
            some(&[text("action", "DeleteFlowLogs")]);
            some(&[text("action", "PutEventSelectors")]);
            some(&[text("source", "azure.activity")]);
        }
        "Which regions were used for the first time?" => {
            assert!(rows.iter().all(|row| row["region"].is_string() && row["calls"].as_i64() > Some(0)));
            some(&[text("account", "111122223333")]);
        }
        "Where does the archive have gaps?" => {
            some(&[text("source", "aws.cloudtrail")]);
            assert!(rows.iter().all(|row| row["silent_from"].as_str() < row["silent_until"].as_str()));
        }
        other => panic!("`{other}` is not checked"),
    }
}

#[test]
fn each_query_of_the_page_answers_what_the_stories_tell() {
    let lake = Lake::of_stories();
    let page = page();
    assert!(page.len() >= 10);
    let mut failed = Vec::new();
    for (heading, sql) in &page {
        let output = lake.query(&["--format", "ndjson", sql]);
        if !output.status.success() {
            failed.push(format!("{heading}: {}", crate::lake::err(&output)));
            continue;
        }
        let rows: Vec<Value> =
            crate::lake::out(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        match rows.is_empty() {
            true => failed.push(format!("{heading}: no rows")),
            false => {
                if let Err(error) = std::panic::catch_unwind(|| check(heading, &rows)) {
                    failed.push(error.downcast_ref::<String>().cloned().unwrap_or_else(|| heading.clone()));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
