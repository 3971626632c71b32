//! What runs by itself in AWS: backups, scanners, patches, scaling, and what services do for those who use
//! them.
//!
//! In: a moment, for most of these one of the night. Out: a run, whole: a night's snapshots with the copies
//! and the deletions that go with them, a scanner's way through nine regions.

use serde_json::{Value, json};

use super::calendar::{HOUR, MINUTE, Rhythm, day_of, long_date};
use super::cloudtrail::{Call, Caller, tell};
use super::company::{self, DATA, NAT_DATA, NAT_PROD, PROD, ROLE_BACKUP, ROLE_CONFIG, ROLE_SCANNER};
use super::{Habit, Scene, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "backups", share: 1_000, rhythm: Rhythm::Daily(75), tell: backups },
    Habit { name: "posture scan", share: 3_800, rhythm: Rhythm::Daily(4 * 60 + 30), tell: scan },
    Habit { name: "services", share: 1_900, rhythm: Rhythm::Always(48), tell: services },
    Habit { name: "scaling", share: 800, rhythm: Rhythm::Always(12), tell: scaling },
    Habit { name: "patches", share: 400, rhythm: Rhythm::Weekly(6, 2 * 60), tell: patches },
    Habit { name: "nodes", share: 1_700, rhythm: Rhythm::Always(42), tell: nodes },
];

/// How functions in Python name themselves.
pub const LAMBDA: &str = "Boto3/1.42.24 md/Botocore#1.42.24 ua/2.1 os/linux#5.10.245-275.915.amzn2.x86_64 md/arch#x86_64 lang/python#3.13.11 md/pyimpl#CPython exec-env/AWS_Lambda_python3.13";

const VOLUMES: [&str; 6] = [
    "vol-0b3d9f6a17c2e4850",
    "vol-04e8a1c7d93b5f260",
    "vol-0f71c5b82e9d4a630",
    "vol-0a96d2e4f8137c5b0",
    "vol-02c8f4b91a6e5d730",
    "vol-0d5e7a3b9c1f82460",
];

/// A night's snapshots, their copies in another region and account, and those that are too old.
fn backups(scene: &mut Scene<'_>) {
    let runner = Caller::workload(scene, ROLE_BACKUP, "backup-runner", NAT_DATA, LAMBDA);
    tell(
        scene,
        &runner,
        Call::read("ec2", "DescribeVolumes").with(json!({
            "filterSet": {"items": [{"name": "tag:Backup", "valueSet": {"items": [{"value": "nightly"}]}}]},
        })),
    );
    let mut made = Vec::new();
    for volume in VOLUMES {
        scene.pass(800, 4_000);
        made.push(snapshot(scene, &runner, volume));
    }
    scene.at += 9 * MINUTE;
    for snapshot in made.iter().take(3) {
        scene.pass(1_500, 6_000);
        let request = json!({
            "sourceRegion": "eu-central-1",
            "sourceSnapshotId": snapshot,
            "encrypted": true,
            "description": "copy of the night",
        });
        let copy = Call::write("ec2", "CopySnapshot").with(request).in_region("eu-west-1");
        let answer = json!({"snapshotId": format!("snap-{}", ids::hex(&mut scene.rng, 17))});
        tell(scene, &runner, copy.gives(answer));
    }
    // production restores from the data account's copies
    for snapshot in made.iter().take(2) {
        scene.pass(900, 3_000);
        let items = json!({"items": [{"userId": PROD}]});
        let request = json!({
            "snapshotId": snapshot,
            "createVolumePermission": {"add": items},
            "attributeType": "CREATE_VOLUME_PERMISSION",
        });
        tell(
            scene,
            &runner,
            Call::write("ec2", "ModifySnapshotAttribute").with(request).gives(json!({"_return": true})),
        );
    }
    too_old(scene, &runner);
    databases(scene, &runner);
}

fn snapshot(scene: &mut Scene<'_>, runner: &Caller, volume: &str) -> String {
    let made = format!("snap-{}", ids::hex(&mut scene.rng, 17));
    let tags = json!([{"key": "Backup", "value": "nightly"}, {"key": "Keep", "value": "14"}]);
    let request = json!({
        "volumeId": volume,
        "description": "nightly",
        "tagSpecificationSet": {"items": [{"resourceType": "snapshot", "tags": tags}]},
    });
    let answer = json!({
        "snapshotId": made,
        "volumeId": volume,
        "status": "pending",
        "startTime": scene.at,
        "ownerId": DATA,
        "volumeSize": "200",
        "encrypted": true,
        "tagSet": {"items": tags},
    });
    tell(scene, runner, Call::write("ec2", "CreateSnapshot").with(request).gives(answer));
    made
}

/// What was made fourteen days ago is deleted.
fn too_old(scene: &mut Scene<'_>, runner: &Caller) {
    scene.pass(2_000, 9_000);
    let request = json!({
        "ownersSet": {"items": [{"owner": "self"}]},
        "filterSet": {"items": [{"name": "tag:Backup", "valueSet": {"items": [{"value": "nightly"}]}}]},
    });
    tell(scene, runner, Call::read("ec2", "DescribeSnapshots").with(request));
    for volume in VOLUMES {
        scene.pass(700, 2_500);
        let old =
            format!("snap-{}", ids::hex(&mut ids::of(&format!("{volume} of {}", day_of(scene.at))), 17));
        tell(
            scene,
            runner,
            Call::write("ec2", "DeleteSnapshot")
                .with(json!({"snapshotId": old}))
                .gives(json!({"_return": true})),
        );
    }
}

/// The backup service snapshots databases, and copies them into its vault.
fn databases(scene: &mut Scene<'_>, runner: &Caller) {
    let role = "arn:aws:iam::111122223333:role/service-role/AWSBackupDefaultServiceRole";
    let service =
        Caller::on_behalf(scene, role, "AWSBackup-AWSBackupDefaultServiceRole", "backup.amazonaws.com");
    for database in ["shop-db", "checkout-db", "erp-db"] {
        scene.pass(4_000, 30_000);
        let name = format!("awsbackup:job-{}", ids::guid(&mut scene.rng));
        let request = json!({
            "dBInstanceIdentifier": database,
            "dBSnapshotIdentifier": name,
            "tags": [{"key": "aws:backup:source-resource", "value": database}],
        });
        let answer = json!({
            "dBSnapshotIdentifier": name,
            "engine": "postgres",
            "status": "creating",
            "encrypted": true,
            "snapshotType": "awsbackup",
        });
        tell(scene, &service, Call::write("rds", "CreateDBSnapshot").with(request).gives(answer));
        scene.pass(60_000, 120_000);
        for _ in 0..3 {
            tell(
                scene,
                &service,
                Call::read("rds", "DescribeDBSnapshots").with(json!({"dBSnapshotIdentifier": name})),
            );
            scene.pass(50_000, 70_000);
        }
        let old = format!("awsbackup:job-{}", ids::guid(&mut scene.rng));
        tell(
            scene,
            &service,
            Call::write("rds", "DeleteDBSnapshot").with(json!({"dBSnapshotIdentifier": old})),
        );
    }
    for (name, reads) in [("ListBackupJobs", true), ("DescribeBackupVault", true), ("StartCopyJob", false)] {
        scene.pass(900, 4_000);
        let call = if reads { Call::read("backup", name) } else { Call::write("backup", name) };
        let vault = format!("arn:aws:backup:eu-central-1:{DATA}:backup-vault:nightly");
        tell(
            scene,
            runner,
            call.with(json!({"backupVaultName": "nightly", "destinationBackupVaultArn": vault})),
        );
    }
}

const REGIONS: [&str; 9] = [
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-north-1",
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "ap-southeast-1",
    "ap-northeast-1",
];

const SCANNED: [(&str, &str); 12] = [
    ("ec2", "DescribeInstances"),
    ("ec2", "DescribeSecurityGroups"),
    ("ec2", "DescribeSnapshots"),
    ("ec2", "DescribeVolumes"),
    ("ec2", "DescribeVpcs"),
    ("rds", "DescribeDBInstances"),
    ("rds", "DescribeDBSnapshots"),
    ("lambda", "ListFunctions20150331"),
    ("kms", "ListKeys"),
    ("cloudtrail", "DescribeTrails"),
    ("guardduty", "ListDetectors"),
    ("secretsmanager", "ListSecrets"),
];

/// A scanner lists what there is, in every region and above all regions.
fn scan(scene: &mut Scene<'_>) {
    let session = format!("scan-{}", day_of(scene.at) + 400);
    let agent = "posture-scanner/5.17.1 Boto3/1.42.11 md/Botocore#1.42.11 ua/2.1 os/linux#6.1.159-182.297.amzn2023.x86_64 md/arch#x86_64 lang/python#3.12.12";
    let scanner = Caller::workload(scene, ROLE_SCANNER, &session, NAT_DATA, agent);
    above_regions(scene, &scanner);
    for region in REGIONS {
        let scanner = scanner.clone().in_region(region);
        for (service, name) in SCANNED {
            tell(scene, &scanner, Call::read(service, name).with(json!({"maxResults": 100})));
            scene.pass(80, 700);
        }
        if region == "eu-central-1" || region == "us-east-1" {
            for name in ["GetModelInvocationLoggingConfiguration", "ListCustomModels", "ListGuardrails"] {
                tell(scene, &scanner, Call::read("bedrock", name));
                scene.pass(80, 700);
            }
        }
    }
}

fn above_regions(scene: &mut Scene<'_>, scanner: &Caller) {
    for name in [
        "GetAccountSummary",
        "GetAccountPasswordPolicy",
        "ListUsers",
        "ListRoles",
        "ListPolicies",
        "GetAccountAuthorizationDetails",
        "GenerateCredentialReport",
        "GetCredentialReport",
        "ListVirtualMFADevices",
        "ListOpenIDConnectProviders",
    ] {
        tell(scene, scanner, Call::read("iam", name).with(json!({"maxItems": 1_000})));
        scene.pass(150, 900);
    }
    for user in ["svc-erp-bridge", "svc-shop-export"] {
        for name in ["ListAccessKeys", "ListMFADevices", "ListAttachedUserPolicies"] {
            tell(scene, scanner, Call::read("iam", name).with(json!({"userName": user})));
            scene.pass(100, 400);
        }
    }
    tell(
        scene,
        scanner,
        Call::read("s3", "ListBuckets").with(json!({"Host": "s3.eu-central-1.amazonaws.com"})),
    );
    for bucket in ["example-ml-training", "example-ml-models", "example-ml-reports"] {
        for (name, what) in [
            ("GetBucketPolicyStatus", "policyStatus"),
            ("GetBucketAcl", "acl"),
            ("GetBucketPublicAccessBlock", "publicAccessBlock"),
        ] {
            scene.pass(100, 400);
            let mut request =
                json!({"bucketName": bucket, "Host": format!("{bucket}.s3.eu-central-1.amazonaws.com")});
            request[what] = json!("");
            tell(scene, scanner, Call::read("s3", name).with(request));
        }
    }
}

/// What services of AWS do by themselves.
fn services(scene: &mut Scene<'_>) {
    match scene.rng.below(6) {
        0 => recorder(scene),
        1 => keys(scene),
        2 => roles(scene),
        3 => {
            let trail = Caller::service(PROD, "cloudtrail.amazonaws.com");
            let request = json!({
                "bucketName": "example-org-trail",
                "Host": "example-org-trail.s3.eu-central-1.amazonaws.com",
                "acl": "",
            });
            tell(scene, &trail, Call::read("s3", "GetBucketAcl").with(request));
        }
        4 => {
            let role = "arn:aws:iam::111122223333:role/aws-service-role/access-analyzer.amazonaws.com/AWSServiceRoleForAccessAnalyzer";
            let analyzer = Caller::on_behalf(scene, role, "access-analyzer", "access-analyzer.amazonaws.com");
            for (service, name) in
                [("iam", "ListRoles"), ("iam", "GetRole"), ("s3", "GetBucketPolicy"), ("kms", "ListGrants")]
            {
                tell(scene, &analyzer, Call::read(service, name));
                scene.pass(100, 900);
            }
        }
        _ => {
            let role = "arn:aws:iam::111122223333:role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing";
            let balancer =
                Caller::on_behalf(scene, role, "ElasticLoadBalancing", "elasticloadbalancing.amazonaws.com");
            for name in ["DescribeSubnets", "DescribeNetworkInterfaces"] {
                tell(scene, &balancer, Call::read("ec2", name));
                scene.pass(100, 900);
            }
        }
    }
}

/// The recorder of configurations looks at what has changed.
fn recorder(scene: &mut Scene<'_>) {
    let recorder = Caller::on_behalf(scene, ROLE_CONFIG, "AWSConfig-Describe", "config.amazonaws.com");
    const LOOKED_AT: [(&str, &str); 8] = [
        ("ec2", "DescribeInstances"),
        ("ec2", "DescribeSecurityGroups"),
        ("ec2", "DescribeNetworkInterfaces"),
        ("s3", "GetBucketPolicy"),
        ("s3", "GetBucketLifecycle"),
        ("iam", "GetAccountAuthorizationDetails"),
        ("lambda", "ListTags20170331"),
        ("rds", "ListTagsForResource"),
    ];
    for _ in 0..scene.rng.between(3, 7) {
        let (service, name) = LOOKED_AT[scene.rng.below(8) as usize];
        tell(scene, &recorder, Call::read(service, name));
        scene.pass(100, 2_000);
    }
}

/// Services encrypt and decrypt for those who may.
fn keys(scene: &mut Scene<'_>) {
    let key = "arn:aws:kms:eu-central-1:111122223333:key/1b7e0c94-6a25-4d8f-93b1-c5d0e8f7a264";
    let context = json!({"aws:s3:arn": "arn:aws:s3:::example-invoices"});
    let by = scene.pick(&[
        "s3.amazonaws.com",
        "secretsmanager.amazonaws.com",
        "ebs.amazonaws.com",
        "logs.amazonaws.com",
    ]);
    let service = Caller::service(PROD, by);
    let request = json!({"keyId": key, "keySpec": "AES_256", "encryptionContext": context});
    tell(scene, &service, Call::read("kms", "GenerateDataKey").with(request));
    scene.pass(400, 20_000);
    let request =
        json!({"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "keyId": key, "encryptionContext": context});
    tell(scene, &service, Call::read("kms", "Decrypt").with(request));
}

/// Tasks, functions and machines are given their roles.
fn roles(scene: &mut Scene<'_>) {
    let (host, role) = [
        ("ecs-tasks.amazonaws.com", "shop-api-task"),
        ("lambda.amazonaws.com", "order-events-lambda"),
        ("ec2.amazonaws.com", "node-prod"),
        ("ecs-tasks.amazonaws.com", "checkout-task"),
    ][scene.rng.below(4) as usize];
    let session = ids::hex(&mut scene.rng, 32);
    let arn = format!("arn:aws:iam::{PROD}:role/{role}");
    let request = json!({"roleArn": arn, "roleSessionName": session});
    let answer = json!({
        "credentials": {
            "accessKeyId": ids::access_key(&mut scene.rng, "ASIA"),
            "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS",
            "expiration": long_date(scene.at + 6 * HOUR),
        },
        "assumedRoleUser": {
            "assumedRoleId": format!("{}:{session}", ids::unique_id("AROA", &arn)),
            "arn": format!("arn:aws:sts::{PROD}:assumed-role/{role}/{session}"),
        },
    });
    tell(scene, &Caller::service(PROD, host), Call::read("sts", "AssumeRole").with(request).gives(answer));
}

/// A group grows or shrinks.
fn scaling(scene: &mut Scene<'_>) {
    let scaler = Caller::on_behalf(scene, ROLE_SCALER, "AutoScaling", "autoscaling.amazonaws.com");
    let instance = format!("i-{}", ids::hex(&mut scene.rng, 17));
    let one = json!({"instancesSet": {"items": [{"instanceId": instance}]}});
    if scene.rng.chance(500) {
        grow(scene, &scaler, &instance);
        scene.pass(20_000, 50_000);
        tell(scene, &scaler, Call::read("ec2", "DescribeInstanceStatus").with(one.clone()));
    } else {
        let balancing = "arn:aws:elasticloadbalancing:eu-central-1:111122223333";
        let group = format!("{balancing}:targetgroup/ingress/8e0f5c2b7d91a364");
        let targets = json!({"targetGroupArn": group, "targets": [{"id": instance}]});
        tell(scene, &scaler, Call::write("elasticloadbalancing", "DeregisterTargets").with(targets));
        scene.pass(100_000, 300_000);
        tell(scene, &scaler, Call::write("ec2", "TerminateInstances").with(one.clone()));
    }
    scene.pass(1_000, 9_000);
    tell(scene, &scaler, Call::read("ec2", "DescribeInstances").with(one));
}

const ROLE_SCALER: &str =
    "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";

fn grow(scene: &mut Scene<'_>, scaler: &Caller, instance: &str) {
    let tags = json!([{"key": "aws:autoscaling:groupName", "value": "prod-1-nodes"}]);
    let request = json!({
        "instancesSet": {"items": [{"minCount": 1, "maxCount": 1}]},
        "instanceType": "m7i.large",
        "iamInstanceProfile": {"name": "node-prod"},
        "subnetId": "subnet-06f3b9d28c1e7a540",
        "launchTemplate": {"launchTemplateId": "lt-0e2a94d7c18b5f630", "version": "31"},
        "tagSpecificationSet": {"items": [{"resourceType": "instance", "tags": tags}]},
    });
    let started = json!({
        "instanceId": instance,
        "imageId": "ami-08c6f1d3b927ea540",
        "instanceState": {"code": 0, "name": "pending"},
        "instanceType": "m7i.large",
    });
    let answer = json!({
        "reservationId": format!("r-{}", ids::hex(&mut scene.rng, 17)),
        "ownerId": PROD,
        "instancesSet": {"items": [started]},
    });
    tell(scene, scaler, Call::write("ec2", "RunInstances").with(request).gives(answer));
}

/// On Sunday nights machines are patched, and report.
fn patches(scene: &mut Scene<'_>) {
    let role = "arn:aws:iam::111122223333:role/patch-window";
    let window = Caller::on_behalf(scene, role, "MaintenanceWindow", "ssm.amazonaws.com");
    let command = ids::guid(&mut scene.rng);
    let request = json!({
        "documentName": "AWS-RunPatchBaseline",
        "targets": [{"key": "tag:Patch", "values": ["sunday"]}],
        "parameters": "HIDDEN_DUE_TO_SECURITY_REASONS",
        "maxConcurrency": "25%",
        "maxErrors": "1",
    });
    let answer = json!({"command": {"commandId": command, "status": "Pending"}});
    tell(scene, &window, Call::write("ssm", "SendCommand").with(request).gives(answer));
    for number in 0..20 {
        let (id, machine) = machine(scene, number, SSM_AGENT);
        let request = json!({"instanceId": id, "snapshotId": command});
        tell(scene, &machine, Call::read("ssm", "GetDeployablePatchSnapshotForInstance").with(request));
        scene.pass(30_000, 90_000);
        tell(scene, &machine, Call::write("ssm", "PutInventory").with(json!({"instanceId": id})));
        scene.pass(400, 900);
        let compliance = json!({"resourceId": id, "complianceType": "Patch"});
        tell(scene, &machine, Call::write("ssm", "PutComplianceItems").with(compliance));
        scene.pass(400, 900);
        report(scene, number);
        let request = json!({"commandId": command, "instanceId": id});
        tell(scene, &window, Call::read("ssm", "GetCommandInvocation").with(request));
        scene.pass(2_000, 9_000);
    }
}

/// What machines and pods do to stay what they are.
fn nodes(scene: &mut Scene<'_>) {
    match scene.rng.below(4) {
        0 => {
            let number = scene.rng.below(20);
            report(scene, number);
        }
        1 => pull(scene),
        2 => pod_role(scene),
        _ => {
            let agent = "cluster-autoscaler/1.34.2 aws-sdk-go/1.55.7 (go1.24.9; linux; amd64)";
            let role = "arn:aws:iam::111122223333:role/cluster-autoscaler";
            let scaler = Caller::pod(scene, role, "cluster-autoscaler", NAT_PROD, agent);
            let groups = Call::read("autoscaling", "DescribeAutoScalingGroups");
            tell(scene, &scaler, groups.with(json!({"maxRecords": 100})));
            scene.pass(200, 900);
            let template = json!({"launchTemplateId": "lt-0e2a94d7c18b5f630"});
            tell(scene, &scaler, Call::read("ec2", "DescribeLaunchTemplateVersions").with(template));
        }
    }
}

/// One of the twenty machines of the cluster, as it calls AWS.
fn machine(scene: &Scene<'_>, number: u32, agent: &str) -> (String, Caller) {
    let id = format!("i-{}", ids::hex(&mut ids::of(&format!("machine {number}")), 17));
    let role = "arn:aws:iam::111122223333:role/node-prod";
    let caller = Caller::workload(scene, role, &id, NAT_PROD, agent);
    (id, caller)
}

/// A machine's agent says that it is there.
fn report(scene: &mut Scene<'_>, number: u32) {
    let (id, machine) = machine(scene, number, SSM_AGENT);
    let state = json!({
        "instanceId": id,
        "agentVersion": "3.3.3270.0",
        "agentStatus": "Active",
        "platformType": "Linux",
    });
    tell(scene, &machine, Call::write("ssm", "UpdateInstanceInformation").with(state));
}

const SSM_AGENT: &str = "aws-sdk-go/1.55.8 (go1.24.9; linux; amd64) amazon-ssm-agent/3.3.3270.0";

/// A machine fetches an image.
fn pull(scene: &mut Scene<'_>) {
    let number = scene.rng.below(20);
    let (_, machine) = machine(scene, number, "containerd/2.1.5 ecr-credential-provider/v1.35.0");
    tell(scene, &machine, Call::read("ecr", "GetAuthorizationToken"));
    scene.pass(200, 900);
    let repository = scene.pick(&["shop-api", "frontend", "recommendations", "tracking"]);
    let tag = ids::hex(&mut ids::of(repository), 7);
    let image = json!({"repositoryName": repository, "imageIds": [{"imageTag": tag}]});
    tell(scene, &machine, Call::read("ecr", "BatchGetImage").with(image));
    scene.pass(200, 900);
    let layer = Call::read("ecr", "GetDownloadUrlForLayer");
    tell(scene, &machine, layer.with(json!({"repositoryName": repository})));
}

/// A pod exchanges its token for a role's session.
fn pod_role(scene: &mut Scene<'_>) {
    let role = scene.pick(&[
        company::ROLE_ASSISTANT,
        company::ROLE_SEARCH,
        company::ROLE_SECRETS,
        "arn:aws:iam::111122223333:role/cert-manager",
    ]);
    let name = role.rsplit('/').next().unwrap_or_default();
    let provider = format!(
        "arn:aws:iam::{PROD}:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/4C1F0A97B2D85E63A0D4F7B91C26E058"
    );
    let subject = format!("system:serviceaccount:{name}:{name}");
    let agent = "aws-sdk-go-v2/1.41.0 ua/2.1 os/linux lang/go#1.25.5 api/sts#1.41.5";
    let pod = Caller::pod(scene, role, name, NAT_PROD, agent).before_role(&provider, &subject);
    let request = json!({"roleArn": role, "roleSessionName": name, "durationSeconds": 3_600});
    let answer = json!({
        "credentials": {
            "accessKeyId": ids::access_key(&mut scene.rng, "ASIA"),
            "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS",
            "expiration": long_date(scene.at + HOUR),
        },
        "subjectFromWebIdentityToken": subject,
        "provider": provider,
        "audience": "sts.amazonaws.com",
    });
    let exchange: Value = request;
    tell(scene, &pod, Call::read("sts", "AssumeRoleWithWebIdentity").with(exchange).gives(answer));
}
