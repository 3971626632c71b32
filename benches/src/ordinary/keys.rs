//! Secrets and keys in AWS that programs look after: rotation, synchronisation, and two old integrations
//! whose keys live long.
//!
//! In: a moment. Out: a night's rotation; an hour of the controller that reads forty secrets every ten
//! minutes; a round of an integration, which comes from one network and has one key: but for that of one of
//! them, which is changed in the second week.

use serde_json::json;

use super::automation::LAMBDA;
use super::calendar::{DAY, HOUR, MINUTE, Rhythm, START, date_path, day_of, iso, long_date};
use super::cloudtrail::{Call, Caller, tell};
use super::company::{NAT_PROD, PROD, ROLE_ROTATION, ROLE_SECRETS};
use super::delivery::secret_arn;
use super::{Habit, Scene, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "rotation", share: 199, rhythm: Rhythm::Daily(3 * 60 + 10), tell: rotation },
    Habit { name: "secret sync", share: 6_200, rhythm: Rhythm::Always(24), tell: secret_sync },
    Habit { name: "integrations", share: 2_600, rhythm: Rhythm::Always(48), tell: integrations },
];

const ROTATED: [&str; 4] = ["prod/shop/db", "prod/checkout/payment", "prod/search/api", "prod/mail/relay"];

/// Each night one secret is made anew; and the old integration's key once in the four weeks.
fn rotation(scene: &mut Scene<'_>) {
    let rotator = Caller::workload(scene, ROLE_ROTATION, "secret-rotation", NAT_PROD, LAMBDA);
    let arn = secret_arn(ROTATED[scene.nth % 4]);
    let version = ids::guid(&mut scene.rng);
    let scheduled = Caller::service(PROD, "secretsmanager.amazonaws.com");
    tell(
        scene,
        &scheduled,
        Call::write("secretsmanager", "RotateSecret")
            .of_kind("AwsServiceEvent")
            .with(json!({"secretId": arn})),
    );
    scene.pass(900, 3_000);
    tell(scene, &rotator, Call::read("secretsmanager", "DescribeSecret").with(json!({"secretId": arn})));
    let read = |stage: &str| {
        Call::read("secretsmanager", "GetSecretValue").with(json!({"secretId": arn, "versionStage": stage}))
    };
    for call in [
        read("AWSCURRENT"),
        Call::read("secretsmanager", "GetRandomPassword").with(json!({"excludeCharacters": "/@\"'\\"})),
        Call::write("secretsmanager", "PutSecretValue")
            .with(json!({"secretId": arn, "clientRequestToken": version, "versionStages": ["AWSPENDING"]})),
        read("AWSPENDING"),
        Call::write("secretsmanager", "UpdateSecretVersionStage")
            .with(json!({"secretId": arn, "versionStage": "AWSCURRENT", "moveToVersionId": version})),
    ] {
        scene.pass(500, 2_500);
        tell(scene, &rotator, call);
    }
    if day_of(scene.at) == NEW_KEY {
        new_key(scene, &rotator);
    } else if day_of(scene.at) == NEW_KEY + 2 {
        old_key_ends(scene, &rotator);
    }
}

/// The day on which the key of an integration is changed.
const NEW_KEY: i64 = 13;

const EXPORTER: &str = "svc-shop-export";

fn exporter_key(new: bool) -> String {
    ids::access_key(&mut ids::of(if new { "exporter, after" } else { "exporter, before" }), "AKIA")
}

fn new_key(scene: &mut Scene<'_>, rotator: &Caller) {
    scene.pass(2_000, 5_000);
    tell(scene, rotator, Call::read("iam", "ListAccessKeys").with(json!({"userName": EXPORTER})));
    scene.pass(500, 2_000);
    let key = json!({
        "userName": EXPORTER,
        "accessKeyId": exporter_key(true),
        "status": "Active",
        "createDate": long_date(scene.at),
    });
    tell(
        scene,
        rotator,
        Call::write("iam", "CreateAccessKey")
            .with(json!({"userName": EXPORTER}))
            .gives(json!({"accessKey": key})),
    );
    scene.pass(500, 2_000);
    let arn = secret_arn("prod/erp/bridge");
    tell(
        scene,
        rotator,
        Call::write("secretsmanager", "PutSecretValue")
            .with(json!({"secretId": arn, "clientRequestToken": ids::guid(&mut ids::of("new key"))})),
    );
}

fn old_key_ends(scene: &mut Scene<'_>, rotator: &Caller) {
    scene.pass(2_000, 5_000);
    let old = exporter_key(false);
    tell(scene, rotator, Call::read("iam", "GetAccessKeyLastUsed").with(json!({"accessKeyId": old})));
    scene.pass(500, 2_000);
    tell(
        scene,
        rotator,
        Call::write("iam", "UpdateAccessKey")
            .with(json!({"userName": EXPORTER, "accessKeyId": old, "status": "Inactive"})),
    );
    scene.pass(500, 2_000);
    tell(
        scene,
        rotator,
        Call::write("iam", "DeleteAccessKey").with(json!({"userName": EXPORTER, "accessKeyId": old})),
    );
}

/// Components of production, each of which has [`KINDS`] of secrets.
const COMPONENTS: [&str; 8] = ["shop", "checkout", "search", "mail", "erp", "tracking", "returns", "loyalty"];
const KINDS: [&str; 5] = ["db", "api", "signing", "relay", "cache"];

/// An hour of the controller that brings secrets into the cluster: forty, every ten minutes.
fn secret_sync(scene: &mut Scene<'_>) {
    let agent = "external-secrets aws-sdk-go-v2/1.41.0 ua/2.1 os/linux lang/go#1.25.5 md/GOOS#linux md/GOARCH#amd64 api/secretsmanager#1.41.1 m/E,g";
    let since = scene.at;
    for round in 0..6 {
        scene.at = since + round * 10 * MINUTE;
        let controller = Caller::pod(scene, ROLE_SECRETS, "external-secrets-provider-aws", NAT_PROD, agent);
        for component in COMPONENTS {
            for kind in KINDS {
                let arn = secret_arn(&format!("prod/{component}/{kind}"));
                let request = json!({"secretId": arn, "versionStage": "AWSCURRENT"});
                tell(scene, &controller, Call::read("secretsmanager", "GetSecretValue").with(request));
                scene.pass(40, 450);
            }
        }
    }
}

/// Two old integrations: one at a partner's, one in a data centre, each with a key of its own.
fn integrations(scene: &mut Scene<'_>) {
    if scene.nth.is_multiple_of(2) {
        let agent = "Boto3/1.34.162 md/Botocore#1.34.162 ua/2.0 os/linux#5.14.0-503.el9.x86_64 md/arch#x86_64 lang/python#3.9.21";
        let key = ids::access_key(&mut ids::of("the key of the bridge"), "AKIA");
        let bridge = Caller::user(PROD, "svc-erp-bridge", &key, "192.0.2.77", agent);
        tell(scene, &bridge, Call::object("ListObjects", "example-erp-exchange", "", 2_210, 0));
        for number in 0..scene.rng.below(4) {
            scene.pass(300, 1_500);
            let name = format!("out/{}/orders-{}-{number}.xml", date_path(scene.at), scene.nth);
            let size = 12_000 + u64::from(scene.rng.below(90_000));
            tell(scene, &bridge, Call::object("GetObject", "example-erp-exchange", &name, size, 0));
        }
    } else {
        let agent = "aws-sdk-java/1.12.797 Linux/5.15.0-163-generic OpenJDK_64-Bit_Server_VM/11.0.29+7 java/11.0.29 vendor/Debian cfg/retry-mode/legacy";
        let changed = scene.at - START > NEW_KEY * DAY + 9 * HOUR;
        let exporter = Caller::user(PROD, EXPORTER, &exporter_key(changed), "192.0.2.141", agent);
        for part in 0..scene.rng.between(1, 3) {
            let name = format!("in/{}/stock-{}-{part}.csv", date_path(scene.at), iso(scene.at));
            let size = 30_000 + u64::from(scene.rng.below(200_000));
            tell(scene, &exporter, Call::object("PutObject", "example-shop-export", &name, 0, size));
            scene.pass(300, 1_500);
        }
    }
}
