//! The build service: what pipelines do in AWS, from a plan that reads everything to a release.
//!
//! In: a moment of a working day. Out: a run: the token of the build service exchanged for a role, from an
//! address that changes with every runner, then Terraform's reads of all that it manages (secrets and
//! parameters too), its changes, or the release of a function, a task or a chart.

use serde_json::{Value, json};

use super::calendar::{HOUR, Rhythm, iso, long_date};
use super::cloudtrail::{Call, Caller, tell};
use super::company::{DATA, PROD, ROLE_DEPLOY, ROLE_PLAN, ROLE_RELEASE_MODELS, ROLE_TERRAFORM};
use super::{Habit, Scene, ids, kubernetes};

pub const HABITS: &[Habit] = &[
    Habit { name: "terraform plan", share: 3_700, rhythm: Rhythm::Work(2), tell: plan },
    Habit { name: "terraform apply", share: 1_300, rhythm: Rhythm::Work(2), tell: apply },
    Habit { name: "release", share: 2_500, rhythm: Rhythm::Work(8), tell: release },
    Habit { name: "model release", share: 110, rhythm: Rhythm::Weekly(3, 9 * 60), tell: model_release },
];

const TERRAFORM: &str = "APN/1.0 HashiCorp/1.0 Terraform/1.14.3 (+https://www.terraform.io) terraform-provider-aws/6.28.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.41.0 ua/2.1 os/linux lang/go#1.25.5 md/GOOS#linux md/GOARCH#amd64 m/g,n";

const CLI: &str = "aws-cli/2.33.9 md/awscrt#0.31.0 ua/2.1 os/linux#6.11.0-1018-azure md/arch#x86_64 lang/python#3.13.11 md/pyimpl#CPython m/E,b,C cfg/retry-mode#standard md/installer#exe";

const EXCHANGE: &str = "aws-sdk-js/3.971.0 ua/2.1 os/linux#6.11.0-1018-azure lang/js md/nodejs#20.19.6 api/sts#3.971.0 configure-aws-credentials-for-github-actions";

/// An address of the build service: another one for every run.
pub fn runner(scene: &mut Scene<'_>) -> String {
    format!("198.18.{}.{}", scene.rng.below(128), scene.rng.between(1, 254))
}

/// The exchange of the run's token for a session of a role.
fn assume(scene: &mut Scene<'_>, role: &'static str, repository: &str, agent: &str) -> Caller {
    let ip = runner(scene);
    let key = ids::access_key(&mut scene.rng, "ASIA");
    let account = if role.contains(DATA) { DATA } else { PROD };
    let provider = format!("arn:aws:iam::{account}:oidc-provider/token.actions.githubusercontent.com");
    let subject = format!("repo:example-co/{repository}:ref:refs/heads/main");
    let caller = Caller::role(role, "GitHubActions", &key, scene.at, &ip, agent);
    let token = caller.clone().with_agent(EXCHANGE).before_role(&provider, &subject);
    let name = role.rsplit('/').next().unwrap_or_default();
    let exchange = Call::read("sts", "AssumeRoleWithWebIdentity")
        .with(json!({
            "roleArn": role,
            "roleSessionName": "GitHubActions",
            "durationSeconds": 3_600,
        }))
        .gives(json!({
            "credentials": {
                "accessKeyId": key,
                "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS",
                "expiration": long_date(scene.at + HOUR),
            },
            "subjectFromWebIdentityToken": subject,
            "assumedRoleUser": {
                "assumedRoleId": format!("{}:GitHubActions", ids::unique_id("AROA", role)),
                "arn": format!("arn:aws:sts::{account}:assumed-role/{name}/GitHubActions"),
            },
            "provider": provider,
            "audience": "sts.amazonaws.com",
        }));
    tell(scene, &token, exchange);
    scene.pass(1_500, 6_000);
    let mut caller = caller;
    caller.federated(&provider);
    caller
}

const BUCKETS: [&str; 5] = [
    "example-media",
    "example-invoices",
    "example-build-artifacts",
    "example-access-logs",
    "example-shop-export",
];
const ROLES: [&str; 14] = [
    "shop-api-task",
    "checkout-task",
    "order-events-lambda",
    "search-task",
    "support-assistant",
    "contract-search",
    "nightly-summaries",
    "external-secrets",
    "cluster-autoscaler",
    "cert-manager",
    "node-prod",
    "media-origin",
    "invoice-renderer",
    "secret-rotation",
];
const MANAGED: [&str; 8] = [
    "queues",
    "media-read",
    "bedrock-invoke",
    "invoice-write",
    "dns-write",
    "secrets-read",
    "logs-write",
    "search-read",
];
const SECRETS: [&str; 8] = [
    "prod/shop/db",
    "prod/checkout/payment",
    "prod/search/api",
    "prod/mail/relay",
    "prod/erp/bridge",
    "prod/grafana/admin",
    "prod/registry/pull",
    "prod/cdn/signing",
];
const FUNCTIONS: [&str; 6] =
    ["order-events", "mail-dispatch", "image-resize", "price-sync", "backup-runner", "secret-rotation"];

/// Terraform compares what it has written down with what there is.
fn plan(scene: &mut Scene<'_>) {
    let ci = assume(scene, ROLE_PLAN, "platform-infra", TERRAFORM);
    state(scene, &ci, false);
    let mut calls = iam_reads();
    calls.extend(bucket_reads());
    calls.extend(secret_reads());
    calls.extend(network_reads());
    calls.extend(service_reads());
    if scene.rng.chance(600) {
        let bucket = "example-build-artifacts";
        let cors = bucket_call("GetBucketCors", bucket, "cors");
        calls.push(cors.fails("NoSuchCORSConfiguration", "The CORS configuration does not exist"));
    }
    tell_all(scene, &ci, calls);
}

/// The state of Terraform: read, or written.
fn state(scene: &mut Scene<'_>, ci: &Caller, written: bool) {
    let (name, out, into) = if written { ("PutObject", 0, 1_204_911) } else { ("GetObject", 1_204_880, 0) };
    tell(scene, ci, Call::object(name, "example-terraform-state", "platform/prod.tfstate", out, into));
    scene.pass(400, 1_800);
}

/// Ten at a time, as Terraform does.
fn tell_all(scene: &mut Scene<'_>, ci: &Caller, calls: Vec<Call>) {
    for call in calls {
        tell(scene, ci, call);
        scene.pass(10, 320);
    }
}

fn iam_reads() -> Vec<Call> {
    let roles = ROLES.iter().flat_map(|role| {
        ["GetRole", "ListRolePolicies", "ListAttachedRolePolicies"]
            .map(|name| Call::read("iam", name).with(json!({"roleName": role})))
    });
    let policies = MANAGED.iter().flat_map(|policy| {
        let arn = format!("arn:aws:iam::{PROD}:policy/{policy}");
        [
            Call::read("iam", "GetPolicy").with(json!({"policyArn": arn})),
            Call::read("iam", "GetPolicyVersion").with(json!({"policyArn": arn, "versionId": "v4"})),
        ]
    });
    roles.chain(policies).collect()
}

fn bucket_call(name: &'static str, bucket: &str, what: &str) -> Call {
    let host = format!("{bucket}.s3.eu-central-1.amazonaws.com");
    let mut request = json!({"bucketName": bucket, "Host": host});
    request[what] = json!("");
    Call::read("s3", name).with(request)
}

fn bucket_reads() -> Vec<Call> {
    const ASPECTS: [(&str, &str); 7] = [
        ("GetBucketPolicy", "policy"),
        ("GetBucketAcl", "acl"),
        ("GetBucketVersioning", "versioning"),
        ("GetBucketEncryption", "encryption"),
        ("GetBucketLogging", "logging"),
        ("GetBucketTagging", "tagging"),
        ("GetBucketPublicAccessBlock", "publicAccessBlock"),
    ];
    BUCKETS.iter().flat_map(|bucket| ASPECTS.map(|(name, what)| bucket_call(name, bucket, what))).collect()
}

/// A secret's value is in Terraform's state wherever a resource is given it.
fn secret_reads() -> Vec<Call> {
    let secrets = SECRETS.iter().flat_map(|secret| {
        let arn = secret_arn(secret);
        [
            Call::read("secretsmanager", "DescribeSecret").with(json!({"secretId": arn})),
            Call::read("secretsmanager", "GetResourcePolicy").with(json!({"secretId": arn})),
            Call::read("secretsmanager", "GetSecretValue")
                .with(json!({"secretId": arn, "versionStage": "AWSCURRENT"})),
        ]
    });
    let parameters = [
        "image",
        "feature-flags",
        "db-endpoint",
        "queue-url",
        "cdn-domain",
        "log-level",
        "region",
        "cluster",
    ];
    let parameters = parameters.iter().map(|name| {
        Call::read("ssm", "GetParameter")
            .with(json!({"name": format!("/prod/shop/{name}"), "withDecryption": true}))
    });
    secrets.chain(parameters).collect()
}

/// The ARN of a secret, which ends in six letters of its own.
pub fn secret_arn(name: &str) -> String {
    let end = ids::small(&mut ids::of(name), 6);
    format!("arn:aws:secretsmanager:eu-central-1:{PROD}:secret:{name}-{end}")
}

fn network_reads() -> Vec<Call> {
    let vpc = json!({"vpcSet": {"items": [{"vpcId": "vpc-0a94c7e1f3b25d680"}]}, "filterSet": {}});
    let mut calls = vec![Call::read("ec2", "DescribeVpcs").with(vpc)];
    for attribute in ["enableDnsHostnames", "enableDnsSupport"] {
        let request = json!({"vpcId": "vpc-0a94c7e1f3b25d680", "attribute": attribute});
        calls.push(Call::read("ec2", "DescribeVpcAttribute").with(request));
    }
    for name in [
        "DescribeSubnets",
        "DescribeRouteTables",
        "DescribeNatGateways",
        "DescribeInternetGateways",
        "DescribeAddresses",
        "DescribeVpcEndpoints",
        "DescribeLaunchTemplates",
        "DescribeLaunchTemplateVersions",
        "DescribeFlowLogs",
        "DescribeImages",
    ] {
        calls.push(Call::read("ec2", name).with(json!({"filterSet": {}})));
    }
    for group in
        ["sg-07d1a5c93e8b2f460", "sg-0f82b6d4a19c37e05", "sg-03c5e7f18d94ab260", "sg-0b1d7c92f6e83a450"]
    {
        let request = json!({"securityGroupSet": {"items": [{"groupId": group}]}, "filterSet": {}});
        calls.push(Call::read("ec2", "DescribeSecurityGroups").with(request));
    }
    calls
}

fn service_reads() -> Vec<Call> {
    let functions = FUNCTIONS.iter().flat_map(|function| {
        ["GetFunction20150331v2", "ListVersionsByFunction20150331", "GetFunctionCodeSigningConfig"]
            .map(|name| Call::read("lambda", name).with(json!({"functionName": function})))
    });
    let keys = ["1b7e0c94-6a25-4d8f-93b1-c5d0e8f7a264", "8f3a6d10-5c97-42eb-a0d8-79b4c1e2f536"];
    let keys = keys.iter().flat_map(|key| {
        ["DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus"]
            .map(|name| Call::read("kms", name).with(json!({"keyId": key})))
    });
    let others: [(&str, &str, Value); 12] = [
        ("rds", "DescribeDBInstances", json!({"dBInstanceIdentifier": "shop-db"})),
        ("rds", "DescribeDBParameterGroups", json!({"dBParameterGroupName": "shop-postgres17"})),
        (
            "sqs",
            "GetQueueAttributes",
            json!({
                "queueUrl": "https://sqs.eu-central-1.amazonaws.com/111122223333/orders",
                "attributeNames": ["All"],
            }),
        ),
        ("sns", "GetTopicAttributes", json!({"topicArn": "arn:aws:sns:eu-central-1:111122223333:alarms"})),
        ("logs", "DescribeLogGroups", json!({"logGroupNamePrefix": "/ecs/"})),
        ("logs", "DescribeMetricFilters", json!({"logGroupName": "/ecs/shop-api"})),
        ("ecs", "DescribeClusters", json!({"clusters": ["shop"]})),
        ("eks", "DescribeCluster", json!({"name": "prod-1"})),
        (
            "elasticloadbalancing",
            "DescribeLoadBalancerAttributes",
            json!({
                "loadBalancerArn": "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/shop/5d0c81f3a2e7b946",
            }),
        ),
        ("cloudtrail", "GetTrail", json!({"name": "org-trail"})),
        ("cloudtrail", "GetEventSelectors", json!({"trailName": "org-trail"})),
        ("bedrock", "GetModelInvocationLoggingConfiguration", Value::Null),
    ];
    let others = others.map(|(service, name, request)| Call::read(service, name).with(request));
    functions.chain(keys).chain(others).collect()
}

/// Terraform changes what a review has let through.
fn apply(scene: &mut Scene<'_>) {
    let ci = assume(scene, ROLE_TERRAFORM, "platform-infra", TERRAFORM);
    state(scene, &ci, false);
    let mut reads = network_reads();
    reads.extend(iam_reads().into_iter().take(30));
    tell_all(scene, &ci, reads);
    let changes: [fn(&mut Scene<'_>, &Caller); 5] =
        [new_role, new_policy, new_rule, new_queue, bucket_settings];
    for _ in 0..scene.rng.between(1, 3) {
        let change = changes[scene.rng.below(5) as usize];
        change(scene, &ci);
    }
    state(scene, &ci, true);
}

/// A role for a task, with a policy of its own.
fn new_role(scene: &mut Scene<'_>, ci: &Caller) {
    let role = format!(
        "{}-{}",
        scene.pick(&["report", "returns", "loyalty", "stock"]),
        scene.pick(&["task", "lambda"])
    );
    let service = if role.ends_with("task") { "ecs-tasks.amazonaws.com" } else { "lambda.amazonaws.com" };
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole",
    }]});
    let request = json!({
        "roleName": role,
        "path": "/",
        "assumeRolePolicyDocument": trust.to_string(),
        "maxSessionDuration": 3_600,
    });
    let answer = json!({
        "role": {
            "roleName": role,
            "arn": format!("arn:aws:iam::{PROD}:role/{role}"),
            "roleId": ids::unique_id("AROA", &role),
            "path": "/",
        },
    });
    tell(scene, ci, Call::write("iam", "CreateRole").with(request).gives(answer));
    scene.pass(300, 900);
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
        "Resource": format!("arn:aws:sqs:eu-central-1:{PROD}:{role}"),
    }]});
    let request = json!({"roleName": role, "policyName": "queue", "policyDocument": policy.to_string()});
    tell(scene, ci, Call::write("iam", "PutRolePolicy").with(request));
    scene.pass(300, 900);
    let arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy";
    tell(scene, ci, Call::write("iam", "AttachRolePolicy").with(json!({"roleName": role, "policyArn": arn})));
}

/// A new version of a policy, for which an old one has to go.
fn new_policy(scene: &mut Scene<'_>, ci: &Caller) {
    let arn = format!("arn:aws:iam::{PROD}:policy/{}", scene.pick(&MANAGED));
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": ["arn:aws:s3:::example-media", "arn:aws:s3:::example-media/*"],
    }]});
    tell(scene, ci, Call::read("iam", "ListPolicyVersions").with(json!({"policyArn": arn})));
    scene.pass(200, 800);
    tell(
        scene,
        ci,
        Call::write("iam", "DeletePolicyVersion").with(json!({"policyArn": arn, "versionId": "v1"})),
    );
    scene.pass(200, 800);
    let request = json!({"policyArn": arn, "policyDocument": policy.to_string(), "setAsDefault": true});
    let answer = json!({
        "policyVersion": {"versionId": "v6", "isDefaultVersion": true, "createDate": long_date(scene.at)},
    });
    tell(scene, ci, Call::write("iam", "CreatePolicyVersion").with(request).gives(answer));
}

/// A rule between private networks.
fn new_rule(scene: &mut Scene<'_>, ci: &Caller) {
    let request = json!({
        "groupId": "sg-0f82b6d4a19c37e05",
        "ipPermissions": {"items": [{
            "ipProtocol": "tcp", "fromPort": 5432, "toPort": 5432, "groups": {},
            "ipRanges": {
                "items": [
                    {"cidrIp": format!("10.{}.0.0/16", scene.rng.between(20, 40)), "description": "reports"},
                ],
            },
            "ipv6Ranges": {}, "prefixListIds": {},
        }]},
    });
    tell(
        scene,
        ci,
        Call::write("ec2", "AuthorizeSecurityGroupIngress").with(request).gives(json!({"_return": true})),
    );
    scene.pass(300, 900);
    let request = json!({
        "groupId": "sg-0f82b6d4a19c37e05",
        "ipPermissions": {
            "items": [
                {
                    "ipProtocol": "tcp",
                    "fromPort": 5433,
                    "toPort": 5433,
                    "groups": {},
                    "ipRanges": {"items": [{"cidrIp": "10.20.0.0/16"}]},
                },
            ],
        },
    });
    tell(
        scene,
        ci,
        Call::write("ec2", "RevokeSecurityGroupIngress").with(request).gives(json!({"_return": true})),
    );
}

fn new_queue(scene: &mut Scene<'_>, ci: &Caller) {
    let name = format!("{}-events", scene.pick(&["returns", "loyalty", "stock", "report"]));
    let request =
        json!({"queueName": name, "attributes": {"VisibilityTimeout": "60", "SqsManagedSseEnabled": "true"}});
    tell(scene, ci, Call::write("sqs", "CreateQueue").with(request));
    scene.pass(300, 900);
    let group = format!("/ecs/{name}");
    tell(scene, ci, Call::write("logs", "CreateLogGroup").with(json!({"logGroupName": group})));
    scene.pass(300, 900);
    tell(
        scene,
        ci,
        Call::write("logs", "PutRetentionPolicy").with(json!({"logGroupName": group, "retentionInDays": 90})),
    );
    scene.pass(300, 900);
    let request = json!({
        "alarmName": format!("{name}-age"),
        "threshold": 300,
        "namespace": "AWS/SQS",
        "alarmActions": ["arn:aws:sns:eu-central-1:111122223333:alarms"],
    });
    tell(scene, ci, Call::write("monitoring", "PutMetricAlarm").with(request));
}

/// The settings of a bucket: lifecycle, access for another own account.
fn bucket_settings(scene: &mut Scene<'_>, ci: &Caller) {
    let bucket = "example-access-logs";
    let host = format!("{bucket}.s3.eu-central-1.amazonaws.com");
    let rule = json!({
        "Rule": {
            "ID": "expire",
            "Status": "Enabled",
            "Filter": {"Prefix": "alb/"},
            "Expiration": {"Days": 400},
        },
    });
    let request =
        json!({"bucketName": bucket, "Host": host, "lifecycle": "", "LifecycleConfiguration": rule});
    tell(scene, ci, Call::write("s3", "PutBucketLifecycle").with(request));
    scene.pass(300, 900);
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {
            "Sid": "scanner",
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:aws:iam::{DATA}:root")},
            "Action": ["s3:GetBucketPolicy", "s3:ListBucket"],
            "Resource": format!("arn:aws:s3:::{bucket}"),
        },
        {
            "Sid": "tls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [format!("arn:aws:s3:::{bucket}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    ]});
    let request = json!({"bucketName": bucket, "Host": host, "policy": "", "bucketPolicy": policy});
    tell(scene, ci, Call::write("s3", "PutBucketPolicy").with(request));
}

/// A release to production: a function, a task, or a chart.
fn release(scene: &mut Scene<'_>) {
    match scene.nth % 3 {
        0 => release_function(scene),
        1 => release_task(scene),
        _ => release_chart(scene),
    }
}

fn release_function(scene: &mut Scene<'_>) {
    let ci = assume(scene, ROLE_DEPLOY, "order-events", CLI);
    let function = scene.pick(&["order-events", "mail-dispatch", "image-resize", "price-sync"]);
    let package = Call::object(
        "PutObject",
        "example-build-artifacts",
        &format!("{function}/{}.zip", ids::hex(&mut scene.rng, 40)),
        0,
        4_118_204,
    );
    tell(scene, &ci, package);
    scene.pass(600, 2_000);
    let request = json!({
        "functionName": function,
        "s3Bucket": "example-build-artifacts",
        "s3Key": format!("{function}/latest.zip"),
        "publish": false,
        "dryRun": false,
    });
    let sum = ids::hex(&mut scene.rng, 43);
    let answer = json!({
        "functionName": function,
        "functionArn": format!("arn:aws:lambda:eu-central-1:{PROD}:function:{function}"),
        "runtime": "nodejs24.x",
        "role": format!("arn:aws:iam::{PROD}:role/{function}-lambda"),
        "codeSha256": sum,
        "lastModified": iso(scene.at),
    });
    tell(scene, &ci, Call::write("lambda", "UpdateFunctionCode20150331v2").with(request).gives(answer));
    for _ in 0..scene.rng.between(2, 4) {
        scene.pass(1_000, 2_500);
        tell(
            scene,
            &ci,
            Call::read("lambda", "GetFunction20150331v2").with(json!({"functionName": function})),
        );
    }
    let version = (scene.nth + 100).to_string();
    let answer = json!({"functionName": function, "version": version});
    tell(
        scene,
        &ci,
        Call::write("lambda", "PublishVersion20150331").with(json!({"functionName": function})).gives(answer),
    );
    scene.pass(700, 1_500);
    let request = json!({"functionName": function, "name": "live", "functionVersion": version});
    tell(scene, &ci, Call::write("lambda", "UpdateAlias20150331").with(request));
}

/// An image is pushed, a task is registered with the role that it runs as, a service is rolled over.
fn release_task(scene: &mut Scene<'_>) {
    let ci = assume(scene, ROLE_DEPLOY, "shop", CLI);
    let service = scene.pick(&["shop-api", "checkout", "search"]);
    push_image(scene, &ci, service);
    let (task, execution) = (
        format!("arn:aws:iam::{PROD}:role/{service}-task"),
        format!("arn:aws:iam::{PROD}:role/ecs-execution"),
    );
    let request = json!({
        "family": service,
        "taskRoleArn": task,
        "executionRoleArn": execution,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "1024",
        "memory": "2048",
        "containerDefinitions": [
            {
                "name": service,
                "image": format!("{PROD}.dkr.ecr.eu-central-1.amazonaws.com/{service}:{}", ids::hex(&mut scene.rng, 7)),
                "essential": true,
                "environment": "HIDDEN_DUE_TO_SECURITY_REASONS",
            },
        ],
    });
    let definition = format!("arn:aws:ecs:eu-central-1:{PROD}:task-definition/{service}:{}", 400 + scene.nth);
    let answer = json!({"taskDefinition": {"taskDefinitionArn": definition, "status": "ACTIVE"}});
    tell(scene, &ci, Call::write("ecs", "RegisterTaskDefinition").with(request).gives(answer));
    scene.pass(700, 2_000);
    let request = json!({"cluster": "shop", "service": service, "taskDefinition": definition});
    tell(scene, &ci, Call::write("ecs", "UpdateService").with(request));
    for _ in 0..scene.rng.between(6, 12) {
        scene.pass(14_000, 16_000);
        tell(
            scene,
            &ci,
            Call::read("ecs", "DescribeServices").with(json!({"cluster": "shop", "services": [service]})),
        );
    }
}

fn push_image(scene: &mut Scene<'_>, ci: &Caller, repository: &str) {
    let registry = || json!({"registryId": PROD, "repositoryName": repository});
    tell(scene, ci, Call::read("ecr", "GetAuthorizationToken"));
    for _ in 0..scene.rng.between(2, 4) {
        for name in ["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload"] {
            scene.pass(200, 2_500);
            tell(scene, ci, Call::write("ecr", name).with(registry()));
        }
    }
    let mut request = registry();
    request["imageTag"] = json!(ids::hex(&mut scene.rng, 7));
    tell(scene, ci, Call::write("ecr", "PutImage").with(request));
    scene.pass(500, 1_500);
}

fn release_chart(scene: &mut Scene<'_>) {
    let ci = assume(scene, ROLE_DEPLOY, "charts", CLI);
    let chart = scene.pick(&["frontend", "recommendations", "tracking"]);
    push_image(scene, &ci, chart);
    tell(scene, &ci, Call::read("eks", "DescribeCluster").with(json!({"name": "prod-1"})));
    scene.pass(3_000, 8_000);
    kubernetes::helm_upgrade(scene, &ci, chart);
}

/// Every week the model that training has made is put into service.
fn model_release(scene: &mut Scene<'_>) {
    let agent = "Boto3/1.42.30 md/Botocore#1.42.30 ua/2.1 os/linux#6.11.0-1018-azure lang/python#3.13.11";
    let ci = assume(scene, ROLE_RELEASE_MODELS, "ml-pipelines", agent);
    let week = scene.nth + 6;
    let model = format!("ranker-2026-w{week}");
    let prefix = format!("ranker/{model}");
    tell(scene, &ci, Call::object("ListObjects", "example-ml-models", "", 4_100, 0));
    for part in 0..6 {
        scene.pass(900, 4_000);
        let key = format!("{prefix}/part-{part:02}.bin");
        tell(scene, &ci, Call::object("GetObject", "example-ml-models", &key, 480_000_000, 0));
    }
    let request = json!({
        "modelName": model,
        "executionRoleArn": format!("arn:aws:iam::{DATA}:role/ml-inference"),
        "primaryContainer": {
            "image": format!("{DATA}.dkr.ecr.eu-central-1.amazonaws.com/ranker:{week}"),
            "modelDataUrl": format!("s3://example-ml-models/{prefix}/model.tar.gz"),
        },
    });
    let arn = json!({"modelArn": format!("arn:aws:sagemaker:eu-central-1:{DATA}:model/{model}")});
    let variant = json!({
        "variantName": "all",
        "modelName": model,
        "instanceType": "ml.g6.xlarge",
        "initialInstanceCount": 2,
    });
    let config = json!({"endpointConfigName": model, "productionVariants": [variant]});
    let endpoint = json!({"endpointName": "ranker", "endpointConfigName": model});
    for call in [
        Call::write("sagemaker", "CreateModel").with(request).gives(arn),
        Call::write("sagemaker", "CreateEndpointConfig").with(config),
        Call::write("sagemaker", "UpdateEndpoint").with(endpoint),
    ] {
        tell(scene, &ci, call);
        scene.pass(900, 4_000);
    }
    for _ in 0..18 {
        scene.pass(28_000, 32_000);
        tell(scene, &ci, Call::read("sagemaker", "DescribeEndpoint").with(json!({"endpointName": "ranker"})));
    }
}
