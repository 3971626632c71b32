//! Google Cloud: what an entry looks like, and what people and Terraform do.
//!
//! In: a moment. Out: entries of the admin activity and the data access logs, as a sink writes them.

use serde_json::{Value, json};

use super::calendar::{Millis, Rhythm, iso_with};
use super::company::{self, DATA_PROJECT, GCP_CATALOGUE, GCP_DEPLOY, GCP_TERRAFORM, PEOPLE, PROJECT};
use super::{Habit, Scene, delivery, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "gcp people", share: 900, rhythm: Rhythm::Work(15), tell: people },
    Habit { name: "gcp terraform", share: 850, rhythm: Rhythm::Work(3), tell: terraform },
];

/// What an entry is about.
pub struct Entry {
    pub principal: String,
    pub ip: String,
    pub agent: String,
    pub project: &'static str,
    pub service: &'static str,
    pub method: &'static str,
    pub permission: &'static str,
    /// `ADMIN_READ`, `ADMIN_WRITE`, `DATA_READ`, `DATA_WRITE`.
    pub kind: &'static str,
    pub resource: String,
    pub request: Value,
    pub status: Option<(u32, &'static str)>,
    /// The monitored resource and its labels.
    pub monitored: Option<(&'static str, Value)>,
    /// More of the payload.
    pub more: Vec<(&'static str, Value)>,
    /// The person behind a service account.
    pub delegate: Option<String>,
}

impl Entry {
    pub fn of(principal: &str, ip: &str, agent: &str) -> Self {
        Self {
            principal: principal.to_owned(),
            ip: ip.to_owned(),
            agent: agent.to_owned(),
            project: PROJECT,
            service: "",
            method: "",
            permission: "",
            kind: "ADMIN_READ",
            resource: String::new(),
            request: Value::Null,
            status: None,
            monitored: None,
            more: Vec::new(),
            delegate: None,
        }
    }

    /// The same caller does something.
    pub fn does(
        &self,
        service: &'static str,
        method: &'static str,
        permission: &'static str,
        kind: &'static str,
        resource: &str,
    ) -> Self {
        let mut entry = Self::of(&self.principal, &self.ip, &self.agent);
        entry.project = self.project;
        entry.delegate.clone_from(&self.delegate);
        (entry.service, entry.method, entry.permission, entry.kind) = (service, method, permission, kind);
        entry.resource = resource.to_owned();
        entry
    }

    pub fn with(mut self, request: Value) -> Self {
        self.request = request;
        self
    }

    pub fn on(mut self, kind: &'static str, labels: Value) -> Self {
        self.monitored = Some((kind, labels));
        self
    }

    pub fn and(mut self, name: &'static str, value: Value) -> Self {
        self.more.push((name, value));
        self
    }

    pub fn fails(mut self, code: u32, message: &'static str) -> Self {
        self.status = Some((code, message));
        self
    }
}

/// Accounts have an address and a subject, what has been federated only a subject, controllers of a cluster
/// only a name.
fn authentication(principal: &str) -> Value {
    if principal.starts_with("principal://") {
        return json!({"principalSubject": principal});
    }
    if principal.starts_with("system:") {
        return json!({"principalEmail": principal});
    }
    let kind = if principal.ends_with("gserviceaccount.com") { "serviceAccount" } else { "user" };
    json!({"principalEmail": principal, "principalSubject": format!("{kind}:{principal}")})
}

/// Tells of an entry.
pub fn tell(scene: &mut Scene<'_>, of: Entry) {
    let at = iso_with(scene.at, 9, scene.rng.draw());
    let written = of.kind == "ADMIN_WRITE";
    let mut who = authentication(&of.principal);
    if let Some(person) = of.delegate {
        who["serviceAccountDelegationInfo"] = json!([{"principalSubject": person}]);
    }
    let mut payload = json!({
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "status": {},
        "authenticationInfo": who,
        "requestMetadata": {
            "callerIp": of.ip,
            "callerSuppliedUserAgent": of.agent,
            "requestAttributes": {"time": at, "auth": {}},
            "destinationAttributes": {},
        },
        "serviceName": of.service,
        "methodName": of.method,
        "authorizationInfo": [{
            "permission": of.permission,
            "resource": of.resource,
            "resourceAttributes": {},
            "granted": of.status.is_none_or(|(code, _)| code != 7),
            "permissionType": of.kind,
        }],
        "resourceName": of.resource,
    });
    if let Some((code, message)) = of.status {
        payload["status"] = json!({"code": code, "message": message});
    }
    if !of.request.is_null() {
        payload["request"] = of.request;
    }
    for (name, value) in of.more {
        payload[name] = value;
    }
    let (kind, mut labels) = of
        .monitored
        .unwrap_or_else(|| ("audited_resource", json!({"service": of.service, "method": of.method})));
    labels["project_id"] = json!(of.project);
    let severity = match (of.status, written) {
        (Some(_), _) => "ERROR",
        (None, true) => "NOTICE",
        (None, false) => "INFO",
    };
    let log = if written { "activity" } else { "data_access" };
    let received = scene.at + 400 + Millis::from(scene.rng.below(900));
    let entry = json!({
        "protoPayload": payload,
        "insertId": ids::small(&mut scene.rng, 13),
        "resource": {"type": kind, "labels": labels},
        "timestamp": at,
        "severity": severity,
        "logName": format!("projects/{}/logs/cloudaudit.googleapis.com%2F{log}", of.project),
        "receiveTimestamp": iso_with(received, 9, scene.rng.draw()),
    });
    scene.put(&entry);
}

/// Who works in Google Cloud: the platform and data people.
const USERS: [usize; 8] = [0, 1, 3, 5, 16, 17, 18, 19];

fn gcloud(command: &str, os: &str) -> String {
    format!(
        "google-cloud-sdk gcloud/553.0.0 command/{command} invocation-id/0 environment/None interactive/True from-script/False python/3.13.11 ({os}),gzip(gfe)"
    )
}

/// Somebody in the console or at the command line.
fn people(scene: &mut Scene<'_>) {
    let who = USERS[scene.nth % 8];
    let ip = company::whereabouts(who, scene.at).ip;
    let by = Entry::of(&PEOPLE[who].upn(), &ip, &format!("{},gzip(gfe)", company::browser(who)));
    if scene.rng.chance(300) {
        login(scene, &by);
        scene.pass(2_000, 9_000);
    }
    match scene.rng.below(6) {
        0 => machines(scene, &by),
        1 | 2 => queries(scene, &by, who),
        3 => buckets(scene, &by),
        4 => tunnel(scene, &by),
        _ => accounts(scene, &by),
    }
}

/// A sign-in to the organisation, of which a password may be mistyped.
fn login(scene: &mut Scene<'_>, by: &Entry) {
    let fails = scene.rng.chance(30);
    let (method, name) = if fails {
        ("google.login.LoginService.loginFailure", "login_failure")
    } else {
        ("google.login.LoginService.loginSuccess", "login_success")
    };
    let event = json!({
        "eventName": name,
        "eventType": "login",
        "parameter": [
            {"label": "LABEL_OPTIONAL", "name": "login_type", "type": "TYPE_STRING", "value": "saml"},
        ],
    });
    let at = iso_with(scene.at, 6, scene.rng.draw());
    let entry = json!({
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "authenticationInfo": {"principalEmail": by.principal},
            "requestMetadata": {
                "callerIp": by.ip,
                "requestAttributes": {"time": at, "auth": {}},
                "destinationAttributes": {},
            },
            "serviceName": "login.googleapis.com",
            "methodName": method,
            "resourceName": "organizations/518200000713",
            "metadata": {
                "@type": "type.googleapis.com/ccc_hosted_reporting.ActivityProto",
                "activityId": {
                    "timeUsec": (scene.at * 1_000).to_string(),
                    "uniqQualifier": ids::digits(&mut scene.rng, 12),
                },
                "event": [event],
            },
        },
        "insertId": ids::small(&mut scene.rng, 12),
        "resource": {
            "type": "audited_resource",
            "labels": {"service": "login.googleapis.com", "method": method},
        },
        "timestamp": at,
        "severity": "NOTICE",
        "logName": "organizations/518200000713/logs/cloudaudit.googleapis.com%2Fdata_access",
        "receiveTimestamp": iso_with(scene.at + 30_000, 6, scene.rng.draw()),
    });
    scene.put(&entry);
}

fn machines(scene: &mut Scene<'_>, by: &Entry) {
    let zone = format!("projects/{PROJECT}/zones/europe-west3-a");
    let list = by.does(
        "compute.googleapis.com",
        "v1.compute.instances.aggregatedList",
        "compute.instances.list",
        "ADMIN_READ",
        &format!("projects/{PROJECT}"),
    );
    tell(scene, list);
    scene.pass(3_000, 30_000);
    let instance = format!("{zone}/instances/search-{}", scene.rng.below(4));
    let labels = json!({"instance_id": ids::digits(&mut ids::of(&instance), 19), "zone": "europe-west3-a"});
    if scene.rng.chance(350) {
        for (method, permission) in [
            ("v1.compute.instances.stop", "compute.instances.stop"),
            ("v1.compute.instances.start", "compute.instances.start"),
        ] {
            let act = by.does("compute.googleapis.com", method, permission, "ADMIN_WRITE", &instance);
            tell(scene, act.on("gce_instance", labels.clone()));
            scene.pass(60_000, 120_000);
        }
    } else {
        let get = by.does(
            "compute.googleapis.com",
            "v1.compute.instances.getSerialPortOutput",
            "compute.instances.getSerialPortOutput",
            "ADMIN_READ",
            &instance,
        );
        tell(scene, get.on("gce_instance", labels));
    }
}

fn queries(scene: &mut Scene<'_>, by: &Entry, who: usize) {
    for _ in 0..scene.rng.between(1, 5) {
        let job = format!("projects/{DATA_PROJECT}/jobs/bquxjob_{}", ids::hex(&mut scene.rng, 8));
        let mut run = by.does(
            "bigquery.googleapis.com",
            "google.cloud.bigquery.v2.JobService.InsertJob",
            "bigquery.jobs.create",
            "DATA_WRITE",
            &job,
        );
        run.project = DATA_PROJECT;
        let config = json!({
            "type": "QUERY",
            "queryConfig": {
                "query": "SELECT day, count(*) FROM shop.orders GROUP BY day",
                "priority": "QUERY_INTERACTIVE",
                "statementType": "SELECT",
            },
        });
        let metadata = json!({
            "@type": "type.googleapis.com/google.cloud.audit.BigQueryAuditMetadata",
            "jobInsertion": {"reason": "JOB_INSERT_REQUEST", "job": {"jobName": job, "jobConfig": config}},
        });
        tell(scene, run.on("bigquery_project", json!({"location": "EU"})).and("metadata", metadata));
        scene.pass(1_000, 9_000);
        let table = format!("projects/{DATA_PROJECT}/datasets/shop/tables/orders");
        let mut read = by.does(
            "bigquery.googleapis.com",
            "google.cloud.bigquery.v2.TableDataService.List",
            "bigquery.tables.getData",
            "DATA_READ",
            &table,
        );
        read.project = DATA_PROJECT;
        if who == 19 && scene.rng.chance(40) {
            read = read.fails(7, "Access Denied: Table example-data:shop.orders: Permission bigquery.tables.getData denied on table example-data:shop.orders (or it may not exist).");
        }
        tell(scene, read.on("bigquery_dataset", json!({"dataset_id": "shop"})));
        scene.pass(20_000, 200_000);
    }
}

fn buckets(scene: &mut Scene<'_>, by: &Entry) {
    let by = Entry { agent: gcloud("gcloud.storage.ls", "Linux 6.8.0"), ..by.does("", "", "", "", "") };
    let list = by.does(
        "storage.googleapis.com",
        "storage.buckets.list",
        "storage.buckets.list",
        "ADMIN_READ",
        &format!("projects/{PROJECT}"),
    );
    tell(scene, list.on("gcs_bucket", json!({"bucket_name": "", "location": ""})));
    scene.pass(1_000, 9_000);
    for _ in 0..scene.rng.between(1, 3) {
        let bucket = scene.pick(&["example-catalogue", "example-analytics-export"]);
        let list = by.does(
            "storage.googleapis.com",
            "storage.objects.list",
            "storage.objects.list",
            "DATA_READ",
            &format!("projects/_/buckets/{bucket}"),
        );
        tell(scene, list.on("gcs_bucket", json!({"bucket_name": bucket, "location": "europe-west3"})));
        scene.pass(1_000, 20_000);
    }
}

/// A shell on a machine, through the proxy that knows who somebody is.
fn tunnel(scene: &mut Scene<'_>, by: &Entry) {
    let by = Entry { agent: gcloud("gcloud.compute.ssh", "Darwin 25.2.0"), ..by.does("", "", "", "", "") };
    let instance = format!("projects/{PROJECT}/zones/europe-west3-a/instances/search-1");
    tell(
        scene,
        by.does(
            "compute.googleapis.com",
            "v1.compute.instances.get",
            "compute.instances.get",
            "ADMIN_READ",
            &instance,
        ),
    );
    scene.pass(900, 3_000);
    let proxy = format!(
        "projects/613000000458/iap_tunnel/zones/europe-west3-a/instances/{}",
        ids::digits(&mut ids::of(&instance), 19)
    );
    let allow = by.does(
        "iap.googleapis.com",
        "AuthorizeUser",
        "iap.tunnelInstances.accessViaIAP",
        "DATA_READ",
        &proxy,
    );
    tell(scene, allow);
}

fn accounts(scene: &mut Scene<'_>, by: &Entry) {
    let project = format!("projects/{PROJECT}");
    tell(
        scene,
        by.does(
            "iam.googleapis.com",
            "google.iam.admin.v1.ListServiceAccounts",
            "iam.serviceAccounts.list",
            "ADMIN_READ",
            &project,
        ),
    );
    scene.pass(900, 3_000);
    let policy = by.does(
        "cloudresourcemanager.googleapis.com",
        "GetIamPolicy",
        "resourcemanager.projects.getIamPolicy",
        "ADMIN_READ",
        &project,
    );
    tell(scene, policy.on("project", json!({})));
}

/// A run of Terraform: the token of the build service, then what it reads and changes.
fn terraform(scene: &mut Scene<'_>) {
    let ip = delivery::runner(scene);
    let agent = "Terraform/1.14.3 (+https://www.terraform.io) Terraform-Plugin-SDK/2.38.1 terraform-provider-google/7.16.0,gzip(gfe)";
    let pool = "principal://iam.googleapis.com/projects/613000000458/locations/global/workloadIdentityPools/github/subject/repo:example-co/platform-infra:ref:refs/heads/main";
    let mut token = Entry::of(GCP_TERRAFORM, &ip, "google-api-nodejs-client/10.5.0").does(
        "iamcredentials.googleapis.com",
        "GenerateAccessToken",
        "iam.serviceAccounts.getAccessToken",
        "DATA_READ",
        "projects/-/serviceAccounts/117204400000000193857",
    );
    token.principal = pool.to_owned();
    tell(
        scene,
        token
            .with(json!({
                "@type": "type.googleapis.com/google.iam.credentials.v1.GenerateAccessTokenRequest",
                "name": format!("projects/-/serviceAccounts/{GCP_TERRAFORM}"),
            }))
            .on("service_account", json!({"email_id": GCP_TERRAFORM, "unique_id": "117204400000000193857"})),
    );
    scene.pass(900, 3_000);
    let mut by = Entry::of(GCP_TERRAFORM, &ip, agent);
    by.delegate = Some(pool.to_owned());
    reads(scene, &by);
    match scene.rng.below(10) {
        0 => sink(scene, &by),
        1..=4 => binding(scene, &by),
        _ => service(scene, &by),
    }
}

fn reads(scene: &mut Scene<'_>, by: &Entry) {
    const READ: [(&str, &str, &str); 12] = [
        ("cloudresourcemanager.googleapis.com", "GetProject", "resourcemanager.projects.get"),
        ("cloudresourcemanager.googleapis.com", "GetIamPolicy", "resourcemanager.projects.getIamPolicy"),
        (
            "serviceusage.googleapis.com",
            "google.api.serviceusage.v1.ServiceUsage.ListServices",
            "serviceusage.services.list",
        ),
        ("compute.googleapis.com", "v1.compute.networks.get", "compute.networks.get"),
        ("compute.googleapis.com", "v1.compute.subnetworks.get", "compute.subnetworks.get"),
        ("compute.googleapis.com", "v1.compute.firewalls.get", "compute.firewalls.get"),
        (
            "container.googleapis.com",
            "google.container.v1.ClusterManager.GetCluster",
            "container.clusters.get",
        ),
        ("logging.googleapis.com", "google.logging.v2.ConfigServiceV2.GetSink", "logging.sinks.get"),
        ("iam.googleapis.com", "google.iam.admin.v1.GetServiceAccount", "iam.serviceAccounts.get"),
        ("storage.googleapis.com", "storage.buckets.get", "storage.buckets.get"),
        (
            "secretmanager.googleapis.com",
            "google.cloud.secretmanager.v1.SecretManagerService.GetSecret",
            "secretmanager.secrets.get",
        ),
        (
            "secretmanager.googleapis.com",
            "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion",
            "secretmanager.versions.access",
        ),
    ];
    for (number, (service, method, permission)) in READ.iter().chain(&READ[8..]).chain(&READ[8..]).enumerate()
    {
        let kind = if permission.ends_with(".access") { "DATA_READ" } else { "ADMIN_READ" };
        let resource = match *service {
            "secretmanager.googleapis.com" => {
                format!("projects/613000000458/secrets/search-{}/versions/2", number % 5)
            }
            "storage.googleapis.com" => "projects/_/buckets/example-catalogue".to_owned(),
            _ => format!("projects/{PROJECT}"),
        };
        tell(scene, by.does(service, method, permission, kind, &resource));
        scene.pass(40, 700);
    }
}

/// The sink that carries the logs is given another filter.
fn sink(scene: &mut Scene<'_>, by: &Entry) {
    let sink = format!("projects/{PROJECT}/sinks/to-archive");
    let update = by.does(
        "logging.googleapis.com",
        "google.logging.v2.ConfigServiceV2.UpdateSink",
        "logging.sinks.update",
        "ADMIN_WRITE",
        &sink,
    );
    let request = json!({
        "@type": "type.googleapis.com/google.logging.v2.UpdateSinkRequest",
        "sinkName": sink,
        "uniqueWriterIdentity": true,
        "sink": {
            "name": "to-archive",
            "destination": "storage.googleapis.com/example-access-logs",
            "filter": "logName:cloudaudit.googleapis.com",
        },
    });
    tell(
        scene,
        update.with(request).on(
            "logging_sink",
            json!({"name": "to-archive", "destination": "storage.googleapis.com/example-access-logs"}),
        ),
    );
}

/// A service account of the company's own may read a bucket of its own.
fn binding(scene: &mut Scene<'_>, by: &Entry) {
    let member = format!("serviceAccount:{GCP_CATALOGUE}");
    if scene.rng.chance(500) {
        let bucket = "projects/_/buckets/example-catalogue";
        let set = by.does(
            "storage.googleapis.com",
            "storage.setIamPermissions",
            "storage.buckets.setIamPolicy",
            "ADMIN_WRITE",
            bucket,
        );
        let delta = json!({
            "@type": "type.googleapis.com/google.iam.v1.logging.AuditData",
            "policyDelta": {
                "bindingDeltas": [{"action": "ADD", "role": "roles/storage.objectViewer", "member": member}],
            },
        });
        tell(
            scene,
            set.and("serviceData", delta)
                .on("gcs_bucket", json!({"bucket_name": "example-catalogue", "location": "europe-west3"})),
        );
    } else {
        let project = format!("projects/{PROJECT}");
        let set = by.does(
            "cloudresourcemanager.googleapis.com",
            "SetIamPolicy",
            "resourcemanager.projects.setIamPolicy",
            "ADMIN_WRITE",
            &project,
        );
        let delta = json!({
            "@type": "type.googleapis.com/google.iam.v1.logging.AuditData",
            "policyDelta": {
                "bindingDeltas": [
                    {"action": "ADD", "role": "roles/monitoring.metricWriter", "member": member},
                ],
            },
        });
        tell(scene, set.and("serviceData", delta).on("project", json!({})));
    }
}

/// A service is given a new revision.
fn service(scene: &mut Scene<'_>, by: &Entry) {
    let mut by = by.does("", "", "", "", "");
    by.principal = GCP_DEPLOY.to_owned();
    let name = format!("projects/{PROJECT}/locations/europe-west3/services/search-api");
    let update = by.does(
        "run.googleapis.com",
        "google.cloud.run.v2.Services.UpdateService",
        "run.services.update",
        "ADMIN_WRITE",
        &name,
    );
    let request = json!({
        "@type": "type.googleapis.com/google.cloud.run.v2.UpdateServiceRequest",
        "service": {
            "name": name,
            "template": {
                "serviceAccount": company::GCP_RANKER,
                "containers": [
                    {
                        "image": format!("europe-west3-docker.pkg.dev/{PROJECT}/apps/search-api:{}", ids::hex(&mut scene.rng, 7)),
                    },
                ],
            },
        },
    });
    tell(
        scene,
        update
            .with(request)
            .on("cloud_run_revision", json!({"service_name": "search-api", "location": "europe-west3"})),
    );
}
