//! Data that leaves: `B.23` to `B.25`.

use super::*;

/// B.23. Twelve gigabytes that leave, twelve that stay within AWS, three that leave.
pub(super) fn object_bytes() -> Story {
    let table = |who: &Value, ip: &str, n: i64, size: f64| {
        get_object(who, ip, "corp-finance", &format!("2026/{n}.parquet"), size)
    };
    let (backup, etl, mia) = (user("backup"), role("etl", "i-0a9b8c7d6e5f40312"), user("mia"));
    let attack = every(240, 8, |n| table(&backup, ATTACKER, n, 5e7));
    let mut benign = every(240, 8, |n| table(&etl, AWS_RANGE, n, 5e7).inside_aws());
    benign.extend(every(30, 60, |n| table(&mia, OFFICE, n, 1e8)));
    story("exf-object-bytes", &[("exf-object-bytes", 1)], attack, benign)
}

/// B.24. 600 objects; or 3,000 of a registered job, and 600 reads of 40 objects.
pub(super) fn training_data_bulk_read() -> Story {
    let shard = |who: &Value, ip: &str, n: i64| {
        get_object(who, ip, "corp-training-data", &format!("corpus/shard-{n:05}.jsonl"), 4e6)
    };
    let notebook = role("notebook", "SageMaker");
    let attack = (0..600).map(|n| shard(&notebook, ATTACKER, n).at(n * 6 / 5)).collect();
    let (job, mia) = (role("train-job", "job-7"), user("mia"));
    let mut benign: Vec<Event> =
        (0..3_000).map(|n| shard(&job, AWS_RANGE, n).at(n / 4).inside_aws()).collect();
    benign.extend(every(600, 1, |n| shard(&mia, OFFICE, n % 40)));
    story("exf-training-data-bulk-read", &[("exf-training-data-bulk-read", 1)], attack, benign)
}

/// B.25. The lookalike shares with the company's other account, which only the configuration knows, and
/// does so before the trail goes.
pub(super) fn logging_tamper_then_exfil() -> Story {
    let admin = role("admin", "ops");
    let trail = format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/main");
    let selectors = json!([{"readWriteType": "WriteOnly", "includeManagementEvents": false,
        "dataResources": [], "excludeManagementEventSources": []}]);
    let weakened = json!({"trailName": trail, "eventSelectors": selectors});
    let taken = json!({"volumeId": "vol-0d4c3b2a190817263", "description": "copy"});
    let shared_with = |account: &str| {
        json!({"snapshotId": "snap-0f1e2d3c4b5a69788", "attributeType": "CREATE_VOLUME_PERMISSION",
            "createVolumePermission": {"add": {"items": [{"userId": account}]}}})
    };
    let done = |ip, service, name, request| call(&admin, ip, service, name, request);
    let attack = vec![
        done(ATTACKER, "bedrock", "DeleteModelInvocationLoggingConfiguration", Value::Null),
        done(ATTACKER, "cloudtrail", "PutEventSelectors", weakened).at(5 * MINUTE),
        done(ATTACKER, "ec2", "CreateSnapshot", taken)
            .answered(json!({"snapshotId": "snap-0f1e2d3c4b5a69788", "status": "pending"}))
            .at(3 * HOUR + 30 * MINUTE),
        done(ATTACKER, "ec2", "ModifySnapshotAttribute", shared_with(STRANGERS_ACCOUNT))
            .at(3 * HOUR + 31 * MINUTE),
    ];
    let mut shared = done(OFFICE, "ec2", "ModifySnapshotAttribute", shared_with(SISTER_ACCOUNT));
    shared.enrich.push(("grants_external", json!(false)));
    let lab = json!({"name": format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/lab")});
    let benign = vec![shared, done(OFFICE, "cloudtrail", "DeleteTrail", lab).at(3 * HOUR)];
    let fires = &[("aws-snapshot-exfil-chain", 1), ("mc-logging-tamper-then-exfil", 1)];
    story("mc-logging-tamper-then-exfil", fires, attack, benign)
}
