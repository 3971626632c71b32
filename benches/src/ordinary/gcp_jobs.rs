//! Google Cloud: applications, the export of an analysis, a training job, and what the platform does.
//!
//! In: a moment. Out: entries of the audit logs. The export goes to a bucket of the project that the data is
//! in; the training job reads its data set every night.

use serde_json::{Value, json};

use super::calendar::{DAY, HOUR, Rhythm, date};
use super::company::{DATA_PROJECT, GCP_ANALYTICS, GCP_CATALOGUE, GCP_TRAINER, NAT_GCP, PROJECT};
use super::gcp::{Entry, tell};
use super::{Habit, Scene, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "gcp applications", share: 1_900, rhythm: Rhythm::Always(40), tell: applications },
    Habit { name: "gcp analytics", share: 500, rhythm: Rhythm::Daily(2 * 60 + 40), tell: analytics },
    Habit { name: "gcp training", share: 480, rhythm: Rhythm::Daily(20 * 60), tell: training },
    Habit { name: "gcp platform", share: 900, rhythm: Rhythm::Always(36), tell: platform },
];

/// Applications read objects and, when they start, secrets.
fn applications(scene: &mut Scene<'_>) {
    let by = Entry::of(GCP_CATALOGUE, NAT_GCP, "gcloud-golang-storage/1.59.0,gzip(gfe)");
    let night = !(5..22).contains(&(scene.at.rem_euclid(DAY) / HOUR));
    for _ in 0..if night { 1 } else { scene.rng.between(1, 3) } {
        let object =
            format!("projects/_/buckets/example-catalogue/objects/pages/{}.json", scene.rng.below(900));
        let mut read = by.does(
            "storage.googleapis.com",
            "storage.objects.get",
            "storage.objects.get",
            "DATA_READ",
            &object,
        );
        if scene.rng.chance(4) {
            read = read.fails(5, "No such object: example-catalogue/pages/next.json");
        }
        tell(
            scene,
            read.on("gcs_bucket", json!({"bucket_name": "example-catalogue", "location": "europe-west3"})),
        );
        scene.pass(2_000, 200_000);
    }
    if scene.rng.chance(25) {
        let agent = "grpc-go/1.78.0";
        let by = Entry { agent: agent.to_owned(), ..by };
        for name in ["catalogue-db", "search-key"] {
            let secret = format!("projects/613000000458/secrets/{name}/versions/4");
            let method = "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion";
            tell(
                scene,
                by.does(
                    "secretmanager.googleapis.com",
                    method,
                    "secretmanager.versions.access",
                    "DATA_READ",
                    &secret,
                ),
            );
            scene.pass(40, 300);
        }
    }
}

/// The night's analysis: for each subject a query, whose table is exported.
fn analytics(scene: &mut Scene<'_>) {
    let agent = "google-api-python-client/2.188.0 gl-python/3.13.11,gzip(gfe)";
    let mut by = Entry::of(GCP_ANALYTICS, NAT_GCP, agent);
    by.project = DATA_PROJECT;
    let day = date(scene.at);
    for subject in ["orders", "returns", "visits", "stock", "reviews", "carriers"] {
        let table = format!("projects/{DATA_PROJECT}/datasets/marts/tables/{subject}_daily");
        let query = format!("SELECT * FROM shop.{subject} WHERE day = @day");
        let to = format!("gs://example-analytics-export/{day}/{subject}-*.parquet");
        let query = json!({"query": query, "destinationTable": table, "statementType": "SELECT"});
        let export = json!({"destinationUris": [to], "sourceTable": table});
        job(scene, &by, subject, json!({"type": "QUERY", "queryConfig": query}));
        job(scene, &by, subject, json!({"type": "EXPORT", "extractConfig": export}));
        let bucket = "projects/_/buckets/example-analytics-export";
        let object = format!("{bucket}/objects/{day}/{subject}-000000000000.parquet");
        let create = "storage.objects.create";
        let write = by.does("storage.googleapis.com", create, create, "DATA_WRITE", &object);
        let labels = json!({"bucket_name": "example-analytics-export", "location": "eu"});
        tell(scene, write.on("gcs_bucket", labels));
    }
}

fn job(scene: &mut Scene<'_>, by: &Entry, subject: &str, config: Value) {
    let name = format!("projects/{DATA_PROJECT}/jobs/nightly_{subject}_{}", ids::hex(&mut scene.rng, 10));
    let job = json!({"jobName": name, "jobConfig": config});
    let metadata = json!({
        "@type": "type.googleapis.com/google.cloud.audit.BigQueryAuditMetadata",
        "jobInsertion": {"reason": "JOB_INSERT_REQUEST", "job": job},
    });
    let method = "google.cloud.bigquery.v2.JobService.InsertJob";
    let run = by.does("bigquery.googleapis.com", method, "bigquery.jobs.create", "DATA_WRITE", &name);
    tell(scene, run.on("bigquery_project", json!({"location": "EU"})).and("metadata", metadata));
    scene.pass(20_000, 90_000);
}

/// A small training job reads its data set at night.
fn training(scene: &mut Scene<'_>) {
    let mut by = Entry::of(GCP_TRAINER, "gce-internal-ip", "gcsfuse/3.5.2 (GPN:vertex-training),gzip(gfe)");
    by.project = DATA_PROJECT;
    for shard in 0..scene.rng.between(14, 20) {
        let object =
            format!("projects/_/buckets/example-ml-datasets/objects/search/train-{shard:03}.tfrecord");
        let read = by.does(
            "storage.googleapis.com",
            "storage.objects.get",
            "storage.objects.get",
            "DATA_READ",
            &object,
        );
        tell(
            scene,
            read.on("gcs_bucket", json!({"bucket_name": "example-ml-datasets", "location": "europe-west3"})),
        );
        scene.pass(400, 6_000);
    }
}

/// Groups of machines that grow and shrink, pods that are made, disks that are snapshotted.
fn platform(scene: &mut Scene<'_>) {
    let by = Entry::of(SCALER, "gce-internal-ip", "GCE Managed Instance Group for GKE");
    let machine = ids::small(&mut scene.rng, 4);
    let name = format!("projects/{PROJECT}/zones/europe-west3-a/instances/gke-search-{machine}");
    let labels = json!({"instance_id": ids::digits(&mut scene.rng, 19), "zone": "europe-west3-a"});
    match scene.rng.below(4) {
        0 => {
            let (method, permission) = ("v1.compute.instances.insert", "compute.instances.create");
            let insert = by.does("compute.googleapis.com", method, permission, "ADMIN_WRITE", &name);
            tell(scene, insert.with(new_machine(&machine)).on("gce_instance", labels));
        }
        1 => {
            let (method, permission) = ("v1.compute.instances.delete", "compute.instances.delete");
            let delete = by.does("compute.googleapis.com", method, permission, "ADMIN_WRITE", &name);
            tell(scene, delete.on("gce_instance", labels));
        }
        2 => new_pod(scene),
        _ => {
            let snapshot = format!("projects/{PROJECT}/global/snapshots/disk-{}", scene.nth);
            let (method, permission) = ("ScheduledSnapshots", "compute.snapshots.create");
            let make = by.does("compute.googleapis.com", method, permission, "ADMIN_WRITE", &snapshot);
            let labels = json!({"disk_id": ids::digits(&mut ids::of("disk"), 19), "zone": "europe-west3-a"});
            tell(scene, make.on("gce_disk", labels));
        }
    }
}

const SCALER: &str = "613000000458@cloudservices.gserviceaccount.com";

fn new_machine(name: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/compute.instances.insert",
        "name": format!("gke-search-{name}"),
        "machineType": "e2-standard-4",
        "serviceAccounts": [{
            "email": "gke-nodes@example-prod.iam.gserviceaccount.com",
            "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
        }],
    })
}

fn new_pod(scene: &mut Scene<'_>) {
    let controller = "system:serviceaccount:kube-system:replicaset-controller";
    let agent = format!("kube-controller-manager/v1.34.1 (linux/amd64) kubernetes/93248f9/{controller}");
    let by = Entry::of(controller, "10.80.0.2", &agent);
    let pod = format!("core/v1/namespaces/search/pods/search-api-{}", ids::small(&mut scene.rng, 5));
    let create = "io.k8s.core.v1.pods.create";
    let create = by.does("k8s.io", create, create, "ADMIN_WRITE", &pod);
    tell(scene, create.on("k8s_cluster", json!({"cluster_name": "search", "location": "europe-west3"})));
}
