//! Kubernetes: what reaches the API servers of two clusters.
//!
//! In: a moment. Out: audit events, most of them of the controllers that keep a cluster as it should be;
//! the upgrade of a chart by the build service; engineers who look, and now and then step into a pod.

use serde_json::{Value, json};

use super::calendar::{HOUR, MINUTE, Rhythm, iso_with};
use super::cloudtrail::{Caller, permission_set};
use super::company::{self, DEV, ENGINEERS, PEOPLE, PROD, REGION, Team};
use super::{Habit, Scene, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "controllers", share: 3_200, rhythm: Rhythm::Always(80), tell: controllers },
    Habit { name: "operators", share: 1_300, rhythm: Rhythm::Always(18), tell: operators },
    Habit { name: "kubectl", share: 950, rhythm: Rhythm::Work(16), tell: kubectl },
];

/// Who asks a cluster.
struct User {
    user: Value,
    ip: String,
    agent: String,
    /// Why it may.
    reason: String,
}

/// Where controllers and scheduler run.
const CONTROL_PLANE: &str = "10.20.0.118";

/// What the authoriser writes of a request that a cluster role allows.
fn allowed(role: &str, to: &str) -> String {
    format!("RBAC: allowed by ClusterRoleBinding \"{role}\" of ClusterRole \"{role}\" to {to}")
}

impl User {
    /// A service account, out of a pod.
    fn account(scene: &Scene<'_>, namespace: &str, name: &str, ip: &str, agent: &str) -> Self {
        let hour = scene.at / HOUR;
        let full = format!("system:serviceaccount:{namespace}:{name}");
        let pod = format!("{name}-{}", ids::small(&mut ids::of(&full), 9));
        let user = json!({
            "username": full,
            "uid": ids::guid_of(&full),
            "groups": [
                "system:serviceaccounts",
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated",
            ],
            "extra": {
                "authentication.kubernetes.io/credential-id": [
                    format!("JTI={}", ids::guid_of(&format!("{full}{hour}"))),
                ],
                "authentication.kubernetes.io/node-name": ["ip-10-20-3-41.eu-central-1.compute.internal"],
                "authentication.kubernetes.io/pod-name": [pod],
                "authentication.kubernetes.io/pod-uid": [ids::guid_of(&pod)],
            },
        });
        let reason = allowed(name, &format!("ServiceAccount \"{name}/{namespace}\""));
        Self { user, ip: ip.to_owned(), agent: agent.to_owned(), reason }
    }

    /// A part of the control plane.
    fn controller(name: &str) -> Self {
        let user = json!({
            "username": format!("system:serviceaccount:kube-system:{name}"),
            "groups": [
                "system:serviceaccounts",
                "system:serviceaccounts:kube-system",
                "system:authenticated",
            ],
        });
        let agent = format!(
            "kube-controller-manager/v1.34.2 (linux/amd64) kubernetes/8cc511e/system:serviceaccount:kube-system:{name}"
        );
        let role = format!("system:controller:{name}");
        let reason = allowed(&role, &format!("ServiceAccount \"{name}/kube-system\""));
        Self { user, ip: CONTROL_PLANE.to_owned(), agent, reason }
    }

    fn node(number: u32) -> Self {
        let ip = format!("10.20.3.{}", 40 + number);
        let name = format!("system:node:ip-{}.eu-central-1.compute.internal", ip.replace('.', "-"));
        let user = json!({"username": name, "groups": ["system:nodes", "system:authenticated"]});
        let agent = "kubelet/v1.34.2 (linux/amd64) kubernetes/8cc511e".to_owned();
        Self { user, ip, agent, reason: String::new() }
    }

    fn scheduler() -> Self {
        let name = "system:kube-scheduler";
        let user = json!({"username": name, "groups": ["system:authenticated"]});
        let agent = "kube-scheduler/v1.34.2 (linux/amd64) kubernetes/8cc511e/scheduler".to_owned();
        let reason = allowed(name, &format!("User \"{name}\""));
        Self { user, ip: CONTROL_PLANE.to_owned(), agent, reason }
    }

    /// A session of a role of AWS.
    fn session(caller: &Caller, agent: &str, reason: &str) -> Self {
        let name = caller.arn.split('/').nth(1).unwrap_or_default();
        let session = caller.arn.rsplit('/').next().unwrap_or_default();
        let role = ids::unique_id("AROA", name);
        let user = json!({
            "username": caller.arn,
            "uid": format!("aws-iam-authenticator:{}:{role}", caller.account),
            "groups": ["system:authenticated"],
            "extra": {
                "accessKeyId": [caller.key],
                "arn": [caller.arn],
                "canonicalArn": [format!("arn:aws:iam::{}:role/{name}", caller.account)],
                "principalId": [role],
                "sessionName": [session],
            },
        });
        let reason = reason.to_owned();
        Self { user, ip: caller.ip.clone(), agent: agent.to_owned(), reason }
    }
}

/// One request.
struct Request {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    namespace: String,
    name: String,
    query: String,
    code: u32,
    stage: &'static str,
    body: Option<Value>,
}

impl Request {
    fn of(verb: &'static str, resource: &'static str, namespace: &str, name: &str) -> Self {
        let group = match resource {
            "deployments" | "replicasets" | "statefulsets" | "daemonsets" => "apps",
            "jobs" | "cronjobs" => "batch",
            "leases" => "coordination.k8s.io",
            "endpointslices" => "discovery.k8s.io",
            "ingresses" => "networking.k8s.io",
            "horizontalpodautoscalers" => "autoscaling",
            "certificates" | "certificaterequests" => "cert-manager.io",
            "externalsecrets" => "external-secrets.io",
            "subjectaccessreviews" | "selfsubjectaccessreviews" => "authorization.k8s.io",
            "tokenreviews" => "authentication.k8s.io",
            _ => "",
        };
        Self {
            verb,
            group,
            resource,
            subresource: "",
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            query: String::new(),
            code: if verb == "create" { 201 } else { 200 },
            stage: "ResponseComplete",
            body: None,
        }
    }

    fn sub(mut self, subresource: &'static str) -> Self {
        self.subresource = subresource;
        self
    }

    fn asking(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn answered(mut self, code: u32) -> Self {
        self.code = code;
        self
    }

    fn version(&self) -> &'static str {
        match self.group {
            "autoscaling" => "v2",
            "external-secrets.io" => "v1",
            _ => "v1",
        }
    }

    fn uri(&self) -> String {
        let mut uri = match self.group {
            "" => "/api/v1".to_owned(),
            group => format!("/apis/{group}/{}", self.version()),
        };
        if !self.namespace.is_empty() {
            uri = format!("{uri}/namespaces/{}", self.namespace);
        }
        uri = format!("{uri}/{}", self.resource);
        // what is created has its name in the body
        if !self.name.is_empty() && (self.verb != "create" || !self.subresource.is_empty()) {
            uri = format!("{uri}/{}", self.name);
        }
        if !self.subresource.is_empty() {
            uri = format!("{uri}/{}", self.subresource);
        }
        if self.query.is_empty() { uri } else { format!("{uri}?{}", self.query) }
    }
}

/// How a request was answered.
fn status(by: &User, of: &Request) -> Value {
    let (resource, name) = (of.resource, &of.name);
    let (reason, message) = match of.code {
        403 => {
            let who = by.user["username"].as_str().unwrap_or_default();
            let what = format!("cannot {} resource \"{resource}\" in API group \"{}\"", of.verb, of.group);
            ("Forbidden", format!("{resource} is forbidden: User \"{who}\" {what}"))
        }
        404 => ("NotFound", format!("{resource} \"{name}\" not found")),
        409 => {
            let advice = "please apply your changes to the latest version and try again";
            let what = format!("Operation cannot be fulfilled on {resource} \"{name}\"");
            ("Conflict", format!("{what}: the object has been modified; {advice}"))
        }
        code => return json!({"metadata": {}, "code": code}),
    };
    json!({"metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": of.code})
}

fn put(scene: &mut Scene<'_>, by: &User, of: Request) {
    let mut object = json!({"resource": of.resource});
    for (key, value) in [
        ("namespace", of.namespace.as_str()),
        ("name", of.name.as_str()),
        ("apiGroup", of.group),
        ("apiVersion", of.version()),
        ("subresource", of.subresource),
    ] {
        if !value.is_empty() {
            object[key] = json!(value);
        }
    }
    let status = status(by, &of);
    let took = 3 + i64::from(scene.rng.below(40));
    let mut event = json!({
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": if of.body.is_some() { "Request" } else { "Metadata" },
        "auditID": ids::guid(&mut scene.rng),
        "stage": of.stage,
        "requestURI": of.uri(),
        "verb": of.verb,
        "user": by.user,
        "sourceIPs": [by.ip],
        "userAgent": by.agent,
        "objectRef": object,
        "responseStatus": status,
    });
    if let Some(body) = of.body {
        event["requestObject"] = body;
    }
    event["requestReceivedTimestamp"] = json!(iso_with(scene.at - took, 6, scene.rng.draw()));
    event["stageTimestamp"] = json!(iso_with(scene.at, 6, scene.rng.draw()));
    event["annotations"] = json!({
        "authorization.k8s.io/decision": if of.code == 403 { "forbid" } else { "allow" },
        "authorization.k8s.io/reason": if of.code == 403 { "" } else { &by.reason },
    });
    scene.put(&event);
}

const NAMESPACES: [&str; 5] = ["frontend", "recommendations", "tracking", "support-assistant", "monitoring"];

/// What keeps a cluster as it should be.
fn controllers(scene: &mut Scene<'_>) {
    let namespace = scene.pick(&NAMESPACES);
    match scene.rng.below(6) {
        0 => {
            let leader = User::controller("leader-election");
            put(scene, &leader, Request::of("update", "leases", "kube-system", "kube-controller-manager"));
        }
        1 => kubelet(scene, namespace),
        2 => new_pod(scene, namespace),
        3 => {
            let scaler = User::controller("horizontal-pod-autoscaler");
            let code = if scene.rng.chance(40) { 409 } else { 200 };
            let request = Request::of("update", "horizontalpodautoscalers", namespace, namespace);
            put(scene, &scaler, request.sub("status").answered(code));
        }
        4 => {
            let kubelet = User::node(scene.rng.below(12));
            let name =
                kubelet.user["username"].as_str().unwrap_or_default().trim_start_matches("system:node:");
            put(scene, &kubelet, Request::of("get", "nodes", "", name));
        }
        _ => new_job(scene, namespace),
    }
}

/// The name of a pod of a namespace's deployment.
fn pod_of(scene: &mut Scene<'_>, namespace: &str) -> String {
    let set = ids::hex(&mut ids::of(namespace), 9);
    format!("{namespace}-{set}-{}", ids::small(&mut scene.rng, 5))
}

/// A node fetches what its pods need, and says how they are.
fn kubelet(scene: &mut Scene<'_>, namespace: &str) {
    let (kubelet, pod) = (User::node(scene.rng.below(12)), pod_of(scene, namespace));
    put(scene, &kubelet, Request::of("create", "serviceaccounts", namespace, namespace).sub("token"));
    scene.pass(20, 300);
    put(scene, &kubelet, Request::of("patch", "pods", namespace, &pod).sub("status"));
    scene.pass(20, 300);
    put(scene, &kubelet, Request::of("get", "configmaps", namespace, "settings"));
}

fn new_pod(scene: &mut Scene<'_>, namespace: &str) {
    let pod = pod_of(scene, namespace);
    let create = Request::of("create", "pods", namespace, &pod);
    put(scene, &User::controller("replicaset-controller"), create);
    scene.pass(20, 300);
    put(scene, &User::scheduler(), Request::of("create", "pods", namespace, &pod).sub("binding"));
    scene.pass(900, 9_000);
    let slices = Request::of("update", "endpointslices", namespace, &format!("{namespace}-7k2mq"));
    put(scene, &User::controller("endpointslice-controller"), slices);
}

fn new_job(scene: &mut Scene<'_>, namespace: &str) {
    let name = format!("index-{}", scene.at / MINUTE);
    put(scene, &User::controller("cronjob-controller"), Request::of("create", "jobs", namespace, &name));
    scene.pass(200, 900);
    let pod = format!("{name}-{}", ids::small(&mut scene.rng, 5));
    put(scene, &User::controller("job-controller"), Request::of("create", "pods", namespace, &pod));
}

/// What has been installed beside: certificates, secrets, scaling, metrics.
fn operators(scene: &mut Scene<'_>) {
    match scene.rng.below(4) {
        0 => {
            let agent = "cert-manager-certificates-issuing/v1.19.2 (linux/amd64) cert-manager/6a2c4ba";
            let issuer = User::account(scene, "cert-manager", "cert-manager", "10.20.5.17", agent);
            let host = scene.pick(&["shop-tls", "tracking-tls", "wiki-tls"]);
            for request in [
                Request::of("get", "secrets", "ingress", host),
                Request::of("update", "certificates", "ingress", host).sub("status"),
                Request::of("patch", "secrets", "ingress", host)
                    .asking("fieldManager=cert-manager-certificates-issuing&force=true"),
            ] {
                put(scene, &issuer, request);
                scene.pass(100, 900);
            }
        }
        1 => {
            let agent = "external-secrets/v1.2.1 (linux/amd64) external-secrets/a90f3cc";
            let sync = User::account(scene, "external-secrets", "external-secrets", "10.20.5.44", agent);
            for name in ["db", "api", "signing"] {
                put(scene, &sync, Request::of("get", "secrets", "frontend", name));
                scene.pass(30, 300);
                put(scene, &sync, Request::of("update", "externalsecrets", "frontend", name).sub("status"));
                scene.pass(30, 300);
            }
        }
        2 => {
            let agent = "metrics-server/v0.8.0 (linux/amd64) kubernetes/$Format";
            let metrics = User::account(scene, "kube-system", "metrics-server", "10.20.5.90", agent);
            put(scene, &metrics, Request::of("create", "subjectaccessreviews", "", ""));
            scene.pass(30, 300);
            put(scene, &metrics, Request::of("create", "tokenreviews", "", ""));
        }
        _ => {
            let agent = "cluster-autoscaler/v1.34.2 (linux/amd64) kubernetes/$Format";
            let scaler = User::account(scene, "kube-system", "cluster-autoscaler", "10.20.5.61", agent);
            put(
                scene,
                &scaler,
                Request::of("update", "configmaps", "kube-system", "cluster-autoscaler-status"),
            );
            scene.pass(30, 300);
            put(scene, &scaler, Request::of("list", "pods", "", "").asking("limit=500&resourceVersion=0"));
        }
    }
}

/// An engineer looks at what runs, in production or in development.
fn kubectl(scene: &mut Scene<'_>) {
    let who = company::one_of(0..ENGINEERS, scene.nth * 3 + 1, scene.at);
    scene.at += PEOPLE[who].shift * HOUR;
    let account = if scene.rng.chance(500) { PROD } else { DEV };
    look(scene, who, account);
}

/// What somebody asks the cluster of an account.
pub fn look(scene: &mut Scene<'_>, who: usize, account: &'static str) {
    let person = &PEOPLE[who];
    let agent = if who.is_multiple_of(2) {
        "kubectl/v1.34.2 (linux/amd64) kubernetes/8cc511e"
    } else {
        "kubectl/v1.35.0 (darwin/arm64) kubernetes/66452049"
    };
    let caller = Caller::person(who, account, permission_set(person.team, account), scene.at, "");
    let may_change = person.team == Team::Platform || account == DEV;
    let by = User::session(&caller, agent, &granted(person.team, account));
    let namespace = scene.pick(&NAMESPACES);
    let pod = pod_of(scene, namespace);
    for _ in 0..scene.rng.between(1, 6) {
        let request = match scene.rng.below(6) {
            0 | 1 => Request::of("list", "pods", namespace, "").asking("limit=500"),
            2 => Request::of("get", "deployments", namespace, namespace),
            3 => Request::of("get", "pods", namespace, &pod).sub("log").asking("container=app&tailLines=200"),
            4 => Request::of("list", "events", namespace, "").asking("limit=500"),
            _ => Request::of("get", "pods", namespace, &pod),
        };
        put(scene, &by, request);
        scene.pass(4_000, 90_000);
    }
    if scene.rng.chance(90) {
        step_in(scene, &by, namespace, &pod, may_change);
    }
    if may_change && scene.rng.chance(120) {
        let restart = Request::of("patch", "deployments", namespace, namespace);
        put(scene, &by, restart.asking("fieldManager=kubectl-rollout"));
    }
}

/// By which binding somebody may do what.
fn granted(team: Team, account: &str) -> String {
    let (binding, role, group) = match team {
        Team::Platform => ("platform-admins", "cluster-admin", "platform"),
        _ if account == DEV => ("developers", "edit", "developers"),
        _ => ("developers", "view", "developers"),
    };
    format!(
        "RBAC: allowed by ClusterRoleBinding \"{binding}\" of ClusterRole \"{role}\" to Group \"{group}\""
    )
}

/// A shell in a pod, for those who may; the others are told that they may not.
fn step_in(scene: &mut Scene<'_>, by: &User, namespace: &str, pod: &str, may: bool) {
    let shell = "command=%2Fbin%2Fsh&container=app&stdin=true&stdout=true&tty=true";
    let mut request = Request::of("get", "pods", namespace, pod);
    if may && scene.rng.chance(600) {
        request = request.sub("exec").asking(shell).answered(101);
        request.stage = "ResponseStarted";
    } else if may {
        request = request.sub("portforward").asking("ports=8080").answered(101);
        request.stage = "ResponseStarted";
    } else if scene.rng.chance(250) {
        request = request.sub("exec").asking(shell).answered(403);
    }
    put(scene, by, request);
}

/// The build service upgrades a chart: Helm keeps each release in a secret.
pub fn helm_upgrade(scene: &mut Scene<'_>, caller: &Caller, chart: &'static str) {
    let reason = "RBAC: allowed by RoleBinding \"deployer\" of ClusterRole \"admin\" to Group \"deployers\"";
    let by = User::session(caller, "Helm/4.0.5", reason);
    let release = 120 + scene.nth;
    let secret = |number: usize| format!("sh.helm.release.v1.{chart}.v{number}");
    let image = format!("{PROD}.dkr.ecr.{REGION}.amazonaws.com/{chart}:{}", ids::hex(&mut scene.rng, 7));
    let deployment = json!({
        "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": chart, "namespace": chart},
        "spec": {
            "replicas": 3,
            "template": {
                "spec": {
                    "serviceAccountName": chart,
                    "containers": [
                        {
                            "name": "app",
                            "image": image,
                            "securityContext": {"runAsNonRoot": true, "allowPrivilegeEscalation": false},
                        },
                    ],
                },
            },
        },
    });
    let apply = "fieldManager=helm&force=true";
    let requests = [
        Request::of("list", "secrets", chart, "")
            .asking(&format!("labelSelector=name%3D{chart}%2Cowner%3Dhelm")),
        Request::of("create", "secrets", chart, &secret(release)).asking("fieldManager=helm"),
        Request::of("patch", "configmaps", chart, "settings").asking(apply),
        Request::of("patch", "services", chart, chart).asking(apply),
        Request::of("patch", "deployments", chart, chart).asking(apply).with(deployment),
        Request::of("patch", "horizontalpodautoscalers", chart, chart).asking(apply),
        Request::of("patch", "ingresses", chart, chart).asking(apply),
        Request::of("get", "deployments", chart, chart),
        Request::of("get", "deployments", chart, chart),
        Request::of("update", "secrets", chart, &secret(release)).asking("fieldManager=helm"),
        Request::of("update", "secrets", chart, &secret(release - 1)).asking("fieldManager=helm"),
        Request::of("delete", "secrets", chart, &secret(release - 10)),
    ];
    for request in requests {
        put(scene, &by, request);
        scene.pass(150, 6_000);
    }
}
