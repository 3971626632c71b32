//! Engineers in AWS: the console with its fan-out of calls, and the command line.
//!
//! In: a moment of a working day. Out: a visit: the sign-in by way of the directory and the identity
//! centre, then pages of the console, each of which asks a dozen services for what it shows, or a handful
//! of commands. In production most may read; in development they change things too.

use serde_json::{Value, json};

use super::calendar::{HOUR, MINUTE, Rhythm, date_path, long_date};
use super::cloudtrail::{Call, Caller, permission_set, tell};
use super::company::{self, DATA, DEV, ENGINEERS, PEOPLE, PROD, Team};
use super::{Habit, Scene, entra, ids, kubernetes};

pub const HABITS: &[Habit] = &[
    Habit { name: "console", share: 4_900, rhythm: Rhythm::Work(11), tell: console },
    Habit { name: "on call", share: 120, rhythm: Rhythm::Weekly(3, 60 + 40), tell: on_call },
    Habit { name: "command line", share: 1_700, rhythm: Rhythm::Work(21), tell: command_line },
];

/// A page of the console: what it asks for. The texts are the parameters.
type Page = &'static [(&'static str, &'static str, &'static str)];

const HOME: Page = &[
    (
        "health",
        "DescribeEventAggregates",
        r#"{"aggregateField":"eventTypeCategory","filter":{"eventStatusCodes":["open","upcoming"]}}"#,
    ),
    ("notifications", "ListNotificationHubs", "null"),
    ("ce", "GetCostAndUsage", r#"{"granularity":"MONTHLY","metrics":["UnblendedCost"]}"#),
    ("ce", "GetCostForecast", r#"{"granularity":"MONTHLY","metric":"UNBLENDED_COST"}"#),
    ("organizations", "DescribeOrganization", "null"),
    ("servicecatalog-appregistry", "ListApplications", r#"{"maxResults":25}"#),
];

const EC2: Page = &[
    ("ec2", "DescribeInstances", r#"{"maxResults":1000,"instancesSet":{},"filterSet":{}}"#),
    ("ec2", "DescribeInstanceStatus", r#"{"instancesSet":{},"filterSet":{},"includeAllInstances":true}"#),
    ("ec2", "DescribeAddresses", r#"{"publicIpsSet":{},"filterSet":{},"allocationIdsSet":{}}"#),
    ("ec2", "DescribeVolumes", r#"{"volumeSet":{},"filterSet":{}}"#),
    (
        "ec2",
        "DescribeSnapshots",
        r#"{"maxResults":1000,"ownersSet":{"items":[{"owner":"self"}]},"filterSet":{}}"#,
    ),
    ("ec2", "DescribeSecurityGroups", r#"{"maxResults":1000,"securityGroupSet":{},"filterSet":{}}"#),
    ("ec2", "DescribeKeyPairs", r#"{"keySet":{},"filterSet":{}}"#),
    (
        "ec2",
        "DescribeTags",
        r#"{"maxResults":1000,"filterSet":{"items":[{"name":"resource-type","valueSet":{"items":[{"value":"instance"}]}}]}}"#,
    ),
    ("autoscaling", "DescribeAutoScalingGroups", r#"{"maxRecords":100}"#),
    ("elasticloadbalancing", "DescribeLoadBalancers", r#"{"pageSize":400}"#),
    ("compute-optimizer", "GetEnrollmentStatus", "null"),
    ("ec2", "DescribeAvailabilityZones", r#"{"availabilityZoneSet":{},"allAvailabilityZones":false}"#),
];

const VPC: Page = &[
    ("ec2", "DescribeVpcs", r#"{"vpcSet":{},"filterSet":{}}"#),
    ("ec2", "DescribeSubnets", r#"{"subnetSet":{},"filterSet":{}}"#),
    ("ec2", "DescribeRouteTables", r#"{"routeTableIdSet":{},"filterSet":{}}"#),
    ("ec2", "DescribeInternetGateways", r#"{"internetGatewayIdSet":{},"filterSet":{}}"#),
    ("ec2", "DescribeNatGateways", r#"{"DescribeNatGatewaysRequest":{"MaxResults":1000}}"#),
    ("ec2", "DescribeNetworkAcls", r#"{"networkAclIdSet":{},"filterSet":{}}"#),
    ("ec2", "DescribeVpcEndpoints", r#"{"DescribeVpcEndpointsRequest":{"MaxResults":1000}}"#),
    ("ec2", "DescribeVpcPeeringConnections", r#"{"filterSet":{},"vpcPeeringConnectionIdSet":{}}"#),
    ("ec2", "DescribeSecurityGroupRules", r#"{"DescribeSecurityGroupRulesRequest":{"MaxResults":1000}}"#),
];

const LAMBDA: Page = &[
    ("lambda", "ListFunctions20150331", r#"{"maxItems":50}"#),
    ("lambda", "GetAccountSettings20160819", "null"),
    ("lambda", "GetFunction20150331v2", r#"{"functionName":"order-events"}"#),
    ("lambda", "ListVersionsByFunction20150331", r#"{"functionName":"order-events"}"#),
    ("lambda", "GetPolicy20150331v2", r#"{"functionName":"order-events"}"#),
    ("lambda", "ListEventSourceMappings20150331", r#"{"functionName":"order-events"}"#),
    (
        "lambda",
        "ListTags20170331",
        r#"{"resource":"arn:aws:lambda:eu-central-1:111122223333:function:order-events"}"#,
    ),
    ("monitoring", "DescribeAlarms", r#"{"maxRecords":100}"#),
    ("logs", "DescribeLogGroups", r#"{"logGroupNamePrefix":"/aws/lambda/order-events"}"#),
];

const LOGS: Page = &[
    ("logs", "DescribeLogGroups", r#"{"limit":50}"#),
    (
        "logs",
        "DescribeLogStreams",
        r#"{"logGroupName":"/ecs/shop-api","orderBy":"LastEventTime","descending":true}"#,
    ),
    ("logs", "FilterLogEvents", r#"{"logGroupName":"/ecs/shop-api","limit":100}"#),
    (
        "logs",
        "StartQuery",
        r#"{"logGroupNames":["/ecs/shop-api"],"queryString":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
    ),
    ("logs", "GetQueryResults", r#"{"queryId":"2b9f1a6c-53d8-4f60-9a7e-18c4e5d0b372"}"#),
    ("monitoring", "DescribeAlarms", r#"{"maxRecords":100,"stateValue":"ALARM"}"#),
    ("monitoring", "ListDashboards", "null"),
    ("monitoring", "GetDashboard", r#"{"dashboardName":"shop"}"#),
];

const ECS: Page = &[
    ("ecs", "ListClusters", "null"),
    ("ecs", "DescribeClusters", r#"{"clusters":["shop"],"include":["STATISTICS"]}"#),
    ("ecs", "ListServices", r#"{"cluster":"shop","maxResults":10}"#),
    ("ecs", "DescribeServices", r#"{"cluster":"shop","services":["shop-api","checkout"]}"#),
    ("ecs", "ListTasks", r#"{"cluster":"shop","serviceName":"shop-api"}"#),
    ("ecs", "DescribeTasks", r#"{"cluster":"shop","tasks":["5f0a1c92d7e84b36a5c1f0e27b94d863"]}"#),
    ("ecs", "DescribeTaskDefinition", r#"{"taskDefinition":"shop-api:412"}"#),
    ("application-autoscaling", "DescribeScalableTargets", r#"{"serviceNamespace":"ecs"}"#),
    (
        "elasticloadbalancing",
        "DescribeTargetHealth",
        r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/shop-api/0c7a5e91b3d2f648"}"#,
    ),
];

const RDS: Page = &[
    ("rds", "DescribeDBInstances", r#"{"maxRecords":100}"#),
    ("rds", "DescribeDBClusters", r#"{"maxRecords":100}"#),
    ("rds", "DescribeDBSnapshots", r#"{"snapshotType":"automated","maxRecords":100}"#),
    ("rds", "DescribeEvents", r#"{"sourceIdentifier":"shop-db","sourceType":"db-instance","duration":1440}"#),
    ("rds", "DescribePendingMaintenanceActions", "null"),
    ("rds", "DescribeDBSubnetGroups", r#"{"maxRecords":100}"#),
    ("pi", "GetResourceMetrics", r#"{"serviceType":"RDS","identifier":"db-4K7VN2QXW6TLB5ZRYH3M"}"#),
];

const S3: Page = &[
    ("s3", "ListBuckets", r#"{"Host":"s3.eu-central-1.amazonaws.com"}"#),
    (
        "s3",
        "GetBucketLocation",
        r#"{"bucketName":"example-media","location":"","Host":"s3.eu-central-1.amazonaws.com"}"#,
    ),
    (
        "s3",
        "GetBucketVersioning",
        r#"{"bucketName":"example-media","versioning":"","Host":"example-media.s3.eu-central-1.amazonaws.com"}"#,
    ),
    (
        "s3",
        "GetBucketPolicyStatus",
        r#"{"bucketName":"example-media","policyStatus":"","Host":"example-media.s3.eu-central-1.amazonaws.com"}"#,
    ),
    (
        "s3",
        "GetBucketAcl",
        r#"{"bucketName":"example-media","acl":"","Host":"example-media.s3.eu-central-1.amazonaws.com"}"#,
    ),
    (
        "s3",
        "GetBucketPublicAccessBlock",
        r#"{"bucketName":"example-media","publicAccessBlock":"","Host":"example-media.s3.eu-central-1.amazonaws.com"}"#,
    ),
    (
        "s3",
        "GetAccountPublicAccessBlock",
        r#"{"publicAccessBlock":"","Host":"s3-control.eu-central-1.amazonaws.com"}"#,
    ),
    (
        "s3",
        "GetStorageLensConfiguration",
        r#"{"Host":"s3-control.eu-central-1.amazonaws.com","storagelensid":"default-account-dashboard"}"#,
    ),
];

const IAM: Page = &[
    ("iam", "GetAccountSummary", "null"),
    ("iam", "ListRoles", r#"{"maxItems":1000}"#),
    ("iam", "ListAccountAliases", "null"),
    ("iam", "GetRole", r#"{"roleName":"shop-api-task"}"#),
    ("iam", "ListAttachedRolePolicies", r#"{"roleName":"shop-api-task","maxItems":1000}"#),
    ("iam", "ListRolePolicies", r#"{"roleName":"shop-api-task","maxItems":1000}"#),
    ("iam", "GetRolePolicy", r#"{"roleName":"shop-api-task","policyName":"queues"}"#),
    ("iam", "ListInstanceProfilesForRole", r#"{"roleName":"shop-api-task"}"#),
    ("access-analyzer", "ListAnalyzers", r#"{"type":"ACCOUNT"}"#),
];

const SECRETS: Page = &[
    ("secretsmanager", "ListSecrets", r#"{"maxResults":100}"#),
    ("secretsmanager", "DescribeSecret", r#"{"secretId":"dev/shop/db"}"#),
    ("secretsmanager", "ListSecretVersionIds", r#"{"secretId":"dev/shop/db"}"#),
    ("kms", "ListAliases", r#"{"limit":100}"#),
    ("kms", "DescribeKey", r#"{"keyId":"alias/aws/secretsmanager"}"#),
];

const CLOUDFORMATION: Page = &[
    ("cloudformation", "ListStacks", "null"),
    ("cloudformation", "DescribeStacks", r#"{"stackName":"network-baseline"}"#),
    ("cloudformation", "DescribeStackEvents", r#"{"stackName":"network-baseline"}"#),
    ("cloudtrail", "LookupEvents", r#"{"maxResults":50}"#),
    ("cloudtrail", "DescribeTrails", r#"{"includeShadowTrails":true}"#),
    (
        "cloudtrail",
        "GetTrailStatus",
        r#"{"name":"arn:aws:cloudtrail:eu-central-1:111122223333:trail/org-trail"}"#,
    ),
];

const PAGES: [Page; 11] = [EC2, EC2, VPC, LAMBDA, LOGS, LOGS, ECS, RDS, S3, IAM, CLOUDFORMATION];

/// A visit to the console.
fn console(scene: &mut Scene<'_>) {
    let who = company::one_of(0..ENGINEERS, scene.nth, scene.at);
    let person = &PEOPLE[who];
    scene.at += person.shift * HOUR;
    let account = account(scene, who);
    let set = permission_set(person.team, account);
    sign_in(scene, who, account, set);
    let visitor = Caller::person(who, account, set, scene.at, company::browser(who)).in_console();
    show(scene, &visitor, HOME);
    for _ in 0..scene.rng.between(1, 3) {
        scene.pass(5_000, 240_000);
        let page = if account == DEV && scene.rng.chance(120) {
            SECRETS
        } else {
            PAGES[scene.rng.below(11) as usize]
        };
        show(scene, &visitor, page);
    }
    if scene.rng.chance(250) {
        scene.pass(5_000, 90_000);
        change_by_hand(scene, &visitor, person.team);
    }
}

/// A night on which something is wrong, and somebody of the platform's people is woken up.
fn on_call(scene: &mut Scene<'_>) {
    let who = company::one_of(0..6, scene.nth, scene.at);
    sign_in(scene, who, PROD, "PlatformAdmin");
    let visitor = Caller::person(who, PROD, "PlatformAdmin", scene.at, company::browser(who)).in_console();
    for page in [HOME, LOGS, ECS] {
        show(scene, &visitor, page);
        scene.pass(20_000, 200_000);
    }
    kubernetes::look(scene, who, PROD);
    let request = json!({"cluster": "shop", "service": "checkout", "forceNewDeployment": true});
    tell(scene, &visitor, Call::write("ecs", "UpdateService").with(request));
    scene.pass(60_000, 300_000);
    let caller = Caller::person(who, PROD, "PlatformAdmin", scene.at, &cli(who, "ssm.start-session"));
    shell(scene, who, &caller);
}

/// Where somebody goes: mostly to development, platform people to production too.
fn account(scene: &mut Scene<'_>, who: usize) -> &'static str {
    let draw = scene.rng.below(100);
    match PEOPLE[who].team {
        Team::Platform => [PROD, PROD, DEV, DATA][draw as usize / 25],
        Team::Data => [DATA, DATA, DEV, PROD][draw as usize / 25],
        _ if draw < 70 => DEV,
        _ => PROD,
    }
}

/// By way of the directory, which has asked for a second factor in the morning, to a role.
fn sign_in(scene: &mut Scene<'_>, who: usize, account: &'static str, set: &str) {
    if scene.rng.chance(350) {
        entra::single_sign_on(scene, who);
        scene.pass(800, 2_500);
    }
    let visitor = Caller::identity_centre(who, scene.at);
    tell(scene, &visitor, Call::write("sso", "Authenticate").of_kind("AwsServiceEvent"));
    scene.pass(2_000, 9_000);
    let federate = Call::write("sso", "Federate").of_kind("AwsServiceEvent");
    tell(scene, &visitor, federate.with(json!({"account_id": account, "role_name": set})));
    scene.pass(400, 1_500);
    let visitor = Caller::person(who, account, set, scene.at, company::browser(who));
    let to = "https://console.aws.amazon.com/console/home?region=eu-central-1&isauthcode=true";
    let login = Call::write("signin", "ConsoleLogin")
        .of_kind("AwsConsoleSignIn")
        .gives(json!({"ConsoleLogin": "Success"}))
        .adds(json!({"LoginTo": to, "MobileVersion": "No", "MFAUsed": "No"}));
    tell(scene, &visitor, login);
    scene.pass(700, 2_000);
}

/// What is shown and asked for beside a page that not everybody may see.
const FORBIDDEN: [(&str, &str); 3] = [
    ("organizations", "ListDelegatedAdministrators"),
    ("ce", "GetCostForecast"),
    ("support", "DescribeTrustedAdvisorChecks"),
];

fn show(scene: &mut Scene<'_>, visitor: &Caller, page: Page) {
    for (service, name, request) in page {
        scene.pass(20, 600);
        let request: Value = serde_json::from_str(request).unwrap_or(Value::Null);
        tell(scene, visitor, Call::read(service, name).with(request));
        // pages show details of more than one thing
        if scene.rng.chance(80) {
            scene.pass(900, 20_000);
            tell(scene, visitor, Call::read(service, name));
        }
    }
    if scene.rng.chance(110) {
        let (service, name) = FORBIDDEN[scene.rng.below(3) as usize];
        tell(scene, visitor, Call::read(service, name).denied(visitor));
    }
}

/// What people do by hand where they may.
fn change_by_hand(scene: &mut Scene<'_>, visitor: &Caller, team: Team) {
    if visitor.account == PROD && team != Team::Platform {
        // they try, and are told that they may not
        if scene.rng.chance(200) {
            let update = Call::write("ecs", "UpdateService").denied(visitor);
            tell(scene, visitor, update);
        }
        return;
    }
    match scene.rng.below(6) {
        0 => {
            let instance = json!({"instancesSet": {"items": [{"instanceId": "i-0c41d7f29ab83e605"}]}});
            let state = json!({"instancesSet": {"items": [{
                "instanceId": "i-0c41d7f29ab83e605",
                "currentState": {"code": 0, "name": "pending"},
                "previousState": {"code": 80, "name": "stopped"},
            }]}});
            tell(scene, visitor, Call::write("ec2", "StartInstances").with(instance).gives(state));
        }
        1 => {
            let request = json!({"functionName": "order-events", "memorySize": 512, "timeout": 30});
            let update = Call::write("lambda", "UpdateFunctionConfiguration20150331v2").with(request);
            tell(
                scene,
                visitor,
                update.gives(json!({"functionName": "order-events", "lastUpdateStatus": "InProgress"})),
            );
        }
        2 => open_port(scene, visitor),
        3 => {
            let request = json!({"cluster": "shop", "service": "shop-api", "forceNewDeployment": true});
            tell(scene, visitor, Call::write("ecs", "UpdateService").with(request));
        }
        4 => {
            let request = json!({
                "alarmName": "shop-latency",
                "threshold": 0.8,
                "period": 60,
                "namespace": "AWS/ApplicationELB",
            });
            tell(scene, visitor, Call::write("monitoring", "PutMetricAlarm").with(request));
        }
        _ => {
            let request = json!({
                "dBInstanceIdentifier": "shop-db-dev",
                "dBSnapshotIdentifier": format!("before-migration-{}", scene.nth),
            });
            tell(scene, visitor, Call::write("rds", "CreateDBSnapshot").with(request));
        }
    }
}

/// A port for the office or the private networks.
fn open_port(scene: &mut Scene<'_>, visitor: &Caller) {
    let range = scene.pick(&["10.20.0.0/16", "10.30.4.0/22", "198.51.100.0/28"]);
    let port = [443, 5432, 8080][scene.rng.below(3) as usize];
    let request = json!({
        "groupId": "sg-07d1a5c93e8b2f460",
        "ipPermissions": {"items": [{
            "ipProtocol": "tcp",
            "fromPort": port,
            "toPort": port,
            "groups": {},
            "ipRanges": {"items": [{"cidrIp": range}]},
            "ipv6Ranges": {},
            "prefixListIds": {},
        }]},
    });
    tell(
        scene,
        visitor,
        Call::write("ec2", "AuthorizeSecurityGroupIngress").with(request).gives(json!({"_return": true})),
    );
}

/// A handful of commands.
fn command_line(scene: &mut Scene<'_>) {
    let who = company::one_of(0..ENGINEERS, scene.nth * 7 + 3, scene.at);
    let person = &PEOPLE[who];
    scene.at += person.shift * HOUR;
    let account = account(scene, who);
    let set = permission_set(person.team, account);
    let before = Caller::identity_centre(who, scene.at).with_agent(&cli(who, "sso.login"));
    let credentials = Call::read("sso", "GetRoleCredentials").of_kind("AwsServiceEvent");
    tell(scene, &before, credentials.with(json!({"account_id": account, "role_name": set})));
    scene.pass(300, 1_200);
    let tasks: [fn(&mut Scene<'_>, usize, &Caller); 7] =
        [logs, objects, shell, cluster, stacks, permissions, secret];
    let mut task = tasks[scene.rng.below(7) as usize];
    // most know by now what they may not do in production
    if account == PROD && person.team != Team::Platform && scene.rng.chance(900) {
        task = logs;
    }
    let caller = Caller::person(who, account, set, scene.at, &cli(who, "sts.get-caller-identity"));
    if scene.rng.chance(400) {
        tell(scene, &caller, Call::read("sts", "GetCallerIdentity"));
    }
    scene.pass(2_000, 60_000);
    task(scene, who, &caller);
}

/// The command line's user agent.
fn cli(who: usize, command: &str) -> String {
    let (os, version) = [("linux#6.8.0-94-generic", "2.33.11"), ("macos#25.2.0", "2.32.6")][who % 2];
    format!(
        "aws-cli/{version} md/awscrt#0.31.0 ua/2.1 os/{os} md/arch#x86_64 lang/python#3.13.11 md/pyimpl#CPython m/b,E,Z cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#{command}"
    )
}

fn told(scene: &mut Scene<'_>, who: usize, caller: &Caller, command: &str, calls: Vec<Call>) {
    let caller = caller.clone().with_agent(&cli(who, command));
    for call in calls {
        tell(scene, &caller, call);
        scene.pass(300, 8_000);
    }
}

fn logs(scene: &mut Scene<'_>, who: usize, caller: &Caller) {
    let group = scene.pick(&["/ecs/shop-api", "/ecs/checkout", "/aws/lambda/order-events"]);
    let ask = || Call::read("logs", "FilterLogEvents").with(json!({"logGroupName": group, "limit": 10_000}));
    let calls = (0..scene.rng.between(3, 9)).map(|_| ask()).collect();
    told(scene, who, caller, "logs.tail", calls);
}

fn objects(scene: &mut Scene<'_>, who: usize, caller: &Caller) {
    let bucket = if caller.account == DATA { "example-ml-reports" } else { "example-build-artifacts" };
    let key = |n: u32| format!("{}/report-{n}.json", date_path(super::calendar::START));
    let mut calls = vec![Call::object("ListObjects", bucket, "", 18_400, 0)];
    for n in 0..scene.rng.between(1, 5) {
        calls.push(Call::object(
            "GetObject",
            bucket,
            &key(n),
            40_000 + u64::from(scene.rng.below(900_000)),
            0,
        ));
    }
    if scene.rng.chance(60) {
        let missing = Call::object("GetObject", bucket, "latest.json", 0, 0);
        calls.push(missing.fails("NoSuchKey", "The specified key does not exist."));
    }
    told(scene, who, caller, "s3.cp", calls);
}

fn shell(scene: &mut Scene<'_>, who: usize, caller: &Caller) {
    let instance = "i-0c41d7f29ab83e605";
    let session = format!("{}-{}", PEOPLE[who].upn(), ids::small(&mut scene.rng, 17));
    let start = Call::write("ssm", "StartSession").with(json!({"target": instance}));
    let start = if caller.account == PROD && PEOPLE[who].team != Team::Platform {
        start.denied(caller)
    } else {
        start.gives(json!({"sessionId": session, "tokenValue": "Value hidden due to security reasons."}))
    };
    let calls = vec![Call::read("ssm", "DescribeInstanceInformation").with(json!({"maxResults": 50})), start];
    told(scene, who, caller, "ssm.start-session", calls);
    scene.at += 20 * MINUTE;
    told(
        scene,
        who,
        caller,
        "ssm.terminate-session",
        vec![Call::write("ssm", "TerminateSession").with(json!({"sessionId": session}))],
    );
}

fn cluster(scene: &mut Scene<'_>, who: usize, caller: &Caller) {
    let calls = vec![
        Call::read("eks", "ListClusters").with(json!({"maxResults": 100})),
        Call::read("eks", "DescribeCluster").with(json!({"name": "prod-1"})),
    ];
    told(scene, who, caller, "eks.update-kubeconfig", calls);
}

fn stacks(scene: &mut Scene<'_>, who: usize, caller: &Caller) {
    let calls = vec![
        Call::read("cloudformation", "DescribeStacks").with(json!({"stackName": "network-baseline"})),
        Call::read("ecs", "DescribeServices").with(json!({"cluster": "shop", "services": ["shop-api"]})),
        Call::read("ecr", "DescribeImages").with(json!({"repositoryName": "shop-api", "maxResults": 100})),
        Call::read("rds", "DescribeDBInstances").with(json!({"dBInstanceIdentifier": "shop-db"})),
    ];
    told(scene, who, caller, "cloudformation.describe-stacks", calls);
}

fn permissions(scene: &mut Scene<'_>, who: usize, caller: &Caller) {
    let role = scene.pick(&["shop-api-task", "checkout-task", "order-events-lambda"]);
    let calls = vec![
        Call::read("iam", "GetRole").with(json!({"roleName": role})),
        Call::read("iam", "ListAttachedRolePolicies").with(json!({"roleName": role})),
        Call::read("iam", "ListRolePolicies").with(json!({"roleName": role})),
    ];
    told(scene, who, caller, "iam.get-role", calls);
}

/// A secret of the development account, for a test on the own machine.
fn secret(scene: &mut Scene<'_>, who: usize, caller: &Caller) {
    let name = scene.pick(&["dev/shop/db", "dev/checkout/payment-sandbox", "dev/search/api"]);
    let read = Call::read("secretsmanager", "GetSecretValue").with(json!({"secretId": name}));
    let read =
        if caller.account == PROD && PEOPLE[who].team != Team::Platform { read.denied(caller) } else { read };
    told(scene, who, caller, "secretsmanager.get-secret-value", vec![read]);
    if caller.account == DEV && scene.rng.chance(150) {
        let request = json!({"userName": null, "durationSeconds": 3_600});
        let expires = long_date(scene.at + HOUR);
        let token = Call::read("sts", "GetSessionToken").with(request);
        let token = token.gives(json!({
            "credentials": {"accessKeyId": ids::access_key(&mut scene.rng, "ASIA"), "expiration": expires},
        }));
        // temporary credentials cannot make others so
        let token = token.fails("AccessDenied", "Cannot call GetSessionToken with session credentials");
        told(scene, who, caller, "sts.get-session-token", vec![token]);
    }
}
