//! Objects: who reads and writes them at which pace.
//!
//! In: a moment. Out: a night of training, which reads what the day has brought and on Saturdays all that
//! there is; the runs of applications; what a network of caches fetches of videos, some hundred megabytes
//! at a time.

use serde_json::{Value, json};

use super::calendar::{HOUR, MINUTE, Rhythm, date, date_path, day_of, weekday_of};
use super::cloudtrail::{Call, Caller, tell};
use super::company::{DATA, NAT_DATA, NAT_PROD, PROD, ROLE_PIPELINE, ROLE_TRAINING};
use super::{Habit, Scene, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "training", share: 12_000, rhythm: Rhythm::Daily(21 * 60), tell: training },
    Habit { name: "applications", share: 2_500, rhythm: Rhythm::Always(20), tell: applications },
    Habit { name: "media", share: 2_400, rhythm: Rhythm::Always(60), tell: media },
];

/// A night's training job in the data account. On Saturdays it goes through everything.
fn training(scene: &mut Scene<'_>) {
    let whole = weekday_of(scene.at) == 5;
    let day = date(scene.at);
    let name = format!("ranker-{day}");
    let pipeline = Caller::workload(scene, ROLE_PIPELINE, "pipeline", NAT_DATA, PIPELINE);
    let arn = format!("arn:aws:sagemaker:eu-central-1:{DATA}:training-job/{name}");
    let create = Call::write("sagemaker", "CreateTrainingJob").with(training_job(&name, whole));
    tell(scene, &pipeline, create.gives(json!({"trainingJobArn": arn})));
    scene.at += 4 * MINUTE;
    let agent = "aws-sdk-rust/1.3.11 os/linux lang/rust/1.92.0 mountpoint-s3/1.21.0";
    let job = Caller::workload(scene, ROLE_TRAINING, "SageMaker", "10.40.3.118", agent);
    tell(scene, &job, Call::object("ListObjects", "example-ml-training", "", 118_000, 0));
    let shards = if whole { 2_300 } else { scene.rng.between(95, 125) };
    for shard in 0..shards {
        let key = format!("clicks/{}/part-{shard:05}.parquet", if whole { "all" } else { &day });
        let size = 8_000_000 + u64::from(scene.rng.below(56_000_000));
        tell(scene, &job, Call::object("GetObject", "example-ml-training", &key, size, 0));
        scene.pass(150, 2_600);
    }
    scene.at += 40 * MINUTE;
    let key = format!("ranker/{name}/model.tar.gz");
    tell(scene, &job, Call::object("PutObject", "example-ml-models", &key, 0, 2_911_400_224));
    for _ in 0..3 {
        scene.pass(4_000, 70_000);
        let look = Call::read("sagemaker", "DescribeTrainingJob");
        tell(scene, &pipeline, look.with(json!({"trainingJobName": name})));
    }
}

const PIPELINE: &str =
    "Boto3/1.42.30 md/Botocore#1.42.30 ua/2.1 os/linux#6.1.159-182.297.amzn2023.x86_64 lang/python#3.12.12";

fn training_job(name: &str, whole: bool) -> Value {
    let image = format!("{DATA}.dkr.ecr.eu-central-1.amazonaws.com/ranker-train:61");
    let from = json!({"s3DataType": "S3Prefix", "s3Uri": "s3://example-ml-training/clicks/"});
    let machine = if whole { "ml.p5.4xlarge" } else { "ml.g6.4xlarge" };
    json!({
        "trainingJobName": name,
        "roleArn": ROLE_TRAINING,
        "algorithmSpecification": {"trainingImage": image, "trainingInputMode": "FastFile"},
        "inputDataConfig": [{"channelName": "train", "dataSource": {"s3DataSource": from}}],
        "outputDataConfig": {"s3OutputPath": "s3://example-ml-models/ranker/"},
        "resourceConfig": {"instanceType": machine, "instanceCount": 1, "volumeSizeInGB": 400},
        "vpcConfig": {"securityGroupIds": ["sg-0a5e8f1d27c4b9630"], "subnets": ["subnet-0c71e4a9d3f8b5260"]},
    })
}

/// Invoices are made out of templates; the shop reads what it is to show.
fn applications(scene: &mut Scene<'_>) {
    // at night there is less to do
    let quiet = !(5 * HOUR..22 * HOUR).contains(&scene.at.rem_euclid(24 * HOUR));
    let rounds = if quiet { 1 } else { scene.rng.between(1, 4) };
    if scene.nth % 5 == 3 && day_of(scene.at) >= 15 {
        returns(scene, rounds);
    } else if scene.nth.is_multiple_of(2) {
        invoices(scene, rounds);
    } else {
        catalogue(scene, rounds);
    }
}

fn invoices(scene: &mut Scene<'_>, rounds: u32) {
    let agent = "aws-sdk-js/3.965.0 ua/2.1 os/linux#6.1.159 lang/js md/nodejs#22.22.0 api/s3#3.965.0 exec-env/AWS_ECS_FARGATE";
    let task = ids::hex(&mut ids::of("task of invoices"), 32);
    let renderer =
        Caller::workload(scene, "arn:aws:iam::111122223333:role/invoice-renderer", &task, NAT_PROD, agent);
    for _ in 0..rounds {
        tell(
            scene,
            &renderer,
            Call::object("GetObject", "example-invoices", "templates/invoice-de.html", 48_112, 0),
        );
        scene.pass(400, 1_900);
        let number = ids::digits(&mut scene.rng, 8);
        let key = format!("{}/{number}.pdf", date_path(scene.at));
        let size = 70_000 + u64::from(scene.rng.below(60_000));
        tell(scene, &renderer, Call::object("PutObject", "example-invoices", &key, 0, size));
        scene.pass(2_000, 90_000);
        if scene.rng.chance(300) {
            tell(scene, &renderer, Call::object("GetObject", "example-invoices", &key, size, 0));
            scene.pass(2_000, 90_000);
        }
    }
}

/// A new service, since the third week: labels for what is sent back.
fn returns(scene: &mut Scene<'_>, rounds: u32) {
    let agent = "aws-sdk-go-v2/1.41.0 ua/2.1 os/linux lang/go#1.25.5 api/s3#1.95.0 exec-env/AWS_ECS_FARGATE";
    let task = ids::hex(&mut ids::of("task of returns"), 32);
    let role = "arn:aws:iam::111122223333:role/returns-task";
    let service = Caller::workload(scene, role, &task, NAT_PROD, agent);
    for _ in 0..rounds {
        let number = ids::digits(&mut scene.rng, 8);
        let invoice = format!("{}/{number}.pdf", date_path(scene.at));
        tell(scene, &service, Call::object("GetObject", "example-invoices", &invoice, 88_204, 0));
        scene.pass(300, 1_200);
        let label = format!("labels/{number}.pdf");
        tell(scene, &service, Call::object("PutObject", "example-invoices", &label, 0, 41_120));
        scene.pass(30_000, 300_000);
    }
}

fn catalogue(scene: &mut Scene<'_>, rounds: u32) {
    let agent = "aws-sdk-java/2.41.4 md/io#sync md/http#Apache ua/2.1 os/Linux#6.1.159 lang/java#21.0.9 md/OpenJDK_64-Bit_Server_VM exec-env/AWS_ECS_FARGATE";
    let task = ids::hex(&mut ids::of("task of the shop"), 32);
    let shop =
        Caller::workload(scene, "arn:aws:iam::111122223333:role/shop-api-task", &task, NAT_PROD, agent);
    for _ in 0..rounds {
        for kind in ["prices", "stock", "banners"] {
            let key = format!("feeds/{kind}/latest.json");
            let size = 200_000 + u64::from(scene.rng.below(40_000));
            tell(scene, &shop, Call::object("GetObject", "example-shop-export", &key, size, 0));
            scene.pass(50, 900);
        }
        if scene.rng.chance(40) {
            let missing =
                Call::object("GetObject", "example-shop-export", "feeds/banners/tomorrow.json", 0, 0);
            tell(scene, &shop, missing.fails("NoSuchKey", "The specified key does not exist."));
        }
        scene.pass(60_000, 300_000);
    }
}

/// Caches fetch videos and images: by day more than at night.
fn media(scene: &mut Scene<'_>) {
    let hour = scene.at.rem_euclid(24 * HOUR) / HOUR;
    let many = [1, 1, 1, 1, 1, 2, 3, 4][(hour / 3) as usize];
    let caches = Caller::service(PROD, "cloudfront.amazonaws.com");
    let agent = "nginx-s3-gateway/2.1 (origin shield)";
    let machine = ids::hex(&mut ids::of("origin shield"), 17);
    let origin = Caller::workload(
        scene,
        "arn:aws:iam::111122223333:role/media-origin",
        &format!("i-{machine}"),
        NAT_PROD,
        agent,
    );
    for _ in 0..many {
        let title = scene.rng.below(400);
        let key = format!("video/{title:04}/1080p/segment-{:04}.m4s", scene.rng.below(900));
        let size = 20_000_000 + u64::from(scene.rng.below(180_000_000));
        let reader = if scene.rng.chance(600) { &caches } else { &origin };
        tell(scene, reader, Call::object("GetObject", "example-media", &key, size, 0));
        scene.pass(1_000, 200_000);
    }
}
