//! Calls on data: S3, DynamoDB, queues and topics, tables and queries.
//!
//! S3 is measured in the native trail and the console set (calls on buckets) and in the record of an
//! exfiltration (calls on objects). A trail that records data events is mostly those, so they are half of
//! S3 here. What S3 adds to every event (`additionalEventData` with the transfer, a request id of sixteen
//! capitals, the agent in brackets) is what makes its events the longest of the busy services: 1,550 bytes
//! and more where an EC2 call has 1,150.

use super::people::Who;
use super::shape::{Service, Shape, read, service, write};

/// The services of this file.
pub const SERVICES: [Service; 6] = [
    Service { denied: ("AccessDenied", "Access Denied"), ..service("s3", 934, 1400, S3) },
    service("dynamodb", 0, 200, DYNAMODB),
    service("sqs", 0, 40, SQS),
    service("sns", 0, 30, SNS),
    service("glue", 0, 25, GLUE),
    service("athena", 0, 20, ATHENA),
];

const TRANSFER: &str = r#"{"SignatureVersion":"SigV4","CipherSuite":"<cipher>","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"<b64:75>=","bytesTransferredOut":<n:0:620>}"#;
const DOWNLOAD: &str = r#"{"SignatureVersion":"SigV4","CipherSuite":"<cipher>","bytesTransferredIn":0,"SSEApplied":"Default_SSE_S3","AuthenticationMethod":"AuthHeader","x-amz-id-2":"<b64:75>=","bytesTransferredOut":<n:90:9000000>}"#;
const UPLOAD: &str = r#"{"SignatureVersion":"SigV4","CipherSuite":"<cipher>","bytesTransferredIn":<n:90:9000000>,"SSEApplied":"Default_SSE_S3","AuthenticationMethod":"AuthHeader","x-amz-id-2":"<b64:75>=","bytesTransferredOut":0}"#;
const BUCKET: &str = r#"{"accountId":"<account>","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::<bucket>"}"#;
const OBJECT: &str = r#"{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::<bucket>/<key>"},{"accountId":"<account>","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::<bucket>"}"#;
const HOST: &str = "<bucket>.s3.<region>.amazonaws.com";
const CONTROL: &str = "<account>.s3-control.<region>.amazonaws.com";

/// A call on a bucket.
const fn bucket(shape: Shape, params: &'static str) -> Shape {
    shape.p(params).a(TRANSFER).on(BUCKET).to(HOST)
}

/// A call on an object.
const fn object(shape: Shape, params: &'static str, transfer: &'static str) -> Shape {
    shape.p(params).a(transfer).on(OBJECT).to(HOST).data()
}

const S3: &[Shape] = &[
    object(read("GetObject", 330), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","key":"<key>"}"#, DOWNLOAD)
        .fails("NoSuchKey", "The specified key does not exist.", 25),
    object(write("PutObject", 290), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","key":"<key>"}"#, UPLOAD),
    object(read("HeadObject", 110), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","key":"<key>"}"#, DOWNLOAD)
        .fails("NoSuchKey", "The specified key does not exist.", 90),
    object(write("DeleteObject", 60), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","key":"<key>"}"#, TRANSFER),
    object(write("CopyObject", 15).by(Who::Workload), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","x-amz-copy-source":"<word>-<env>/<hex:16>.gz","key":"<key>"}"#, TRANSFER),
    bucket(read("ListObjects", 100).data(), r#"{"list-type":"2","bucketName":"<bucket>","prefix":"<word>/<env>/<n:2023:2025>/","Host":"<bucket>.s3.<region>.amazonaws.com","max-keys":"<n:1:1000>"}"#),
    bucket(read("GetBucketAcl", 60), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","acl":""}"#).via("cloudtrail.amazonaws.com", 200),
    read("ListAccessPoints", 49).p(r#"{"bucket":"<bucket>","Host":"<account>.s3-control.<region>.amazonaws.com","maxResults":"<n:1:100>"}"#).a(TRANSFER).to(CONTROL),
    read("GetStorageLensConfiguration", 38).by(Who::Console).p(r#"{"Host":"<account>.s3-control.<region>.amazonaws.com","storageLensConfigurationId":"default-account-dashboard"}"#).a(TRANSFER).to(CONTROL),
    read("GetAccountPublicAccessBlock", 17).p(r#"{"Host":"<account>.s3-control.<region>.amazonaws.com","publicAccessBlock":""}"#).a(TRANSFER).to(CONTROL)
        .fails("NoSuchPublicAccessBlockConfiguration", "No public access block is configured here", 200),
    bucket(read("GetBucketPublicAccessBlock", 30), r#"{"publicAccessBlock":"","bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com"}"#)
        .fails("NoSuchPublicAccessBlockConfiguration", "No public access block is configured here", 250),
    bucket(read("GetBucketPolicyStatus", 28), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","policyStatus":""}"#)
        .fails("NoSuchBucketPolicy", "This bucket has no policy", 250),
    read("ListBuckets", 27).by(Who::Console).p(r#"{"Host":"s3.<region>.amazonaws.com"}"#).a(TRANSFER).to("s3.<region>.amazonaws.com"),
    bucket(read("GetBucketLogging", 18), r#"{"logging":"","bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com"}"#),
    bucket(read("GetBucketTagging", 17), r#"{"tagging":"","bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com"}"#)
        .fails("NoSuchTagSet", "This bucket has no tags", 300),
    bucket(read("GetBucketPolicy", 17), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","policy":""}"#)
        .fails("NoSuchBucketPolicy", "This bucket has no policy", 300),
    bucket(read("GetBucketVersioning", 14), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","versioning":""}"#),
    bucket(read("GetBucketObjectLockConfiguration", 12), r#"{"bucketName":"<bucket>","object-lock":"","Host":"<bucket>.s3.<region>.amazonaws.com"}"#)
        .fails("ObjectLockConfigurationNotFoundError", "This bucket has no object lock configuration", 700),
    bucket(read("GetBucketEncryption", 14), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","encryption":""}"#),
    bucket(read("GetBucketWebsite", 11), r#"{"bucketName":"<bucket>","website":"","Host":"<bucket>.s3.<region>.amazonaws.com"}"#)
        .fails("NoSuchWebsiteConfiguration", "This bucket has no website configuration", 850),
    bucket(read("GetBucketLifecycle", 10), r#"{"lifecycle":"","bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com"}"#)
        .fails("NoSuchLifecycleConfiguration", "This bucket has no lifecycle configuration", 600),
    bucket(read("GetBucketCors", 10), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","cors":""}"#)
        .fails("NoSuchCORSConfiguration", "This bucket has no cross-origin configuration", 800),
    bucket(read("GetBucketReplication", 9), r#"{"replication":"","bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com"}"#)
        .fails("ReplicationConfigurationNotFoundError", "This bucket has no replication configuration", 800),
    bucket(read("GetBucketRequestPayment", 10), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","requestPayment":""}"#),
    bucket(read("GetAccelerateConfiguration", 10), r#"{"accelerate":"","bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com"}"#),
    bucket(read("GetBucketLocation", 22), r#"{"bucketName":"<bucket>","location":"","Host":"<bucket>.s3.<region>.amazonaws.com"}"#),
    bucket(write("CreateBucket", 5).by(Who::Pipeline), r#"{"CreateBucketConfiguration":{"LocationConstraint":"<region>","xmlns":"http://s3.amazonaws.com/doc/2006-03-01/"},"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com"}"#)
        .fails("BucketAlreadyExists", "The requested bucket name is not available.", 60),
    bucket(write("PutBucketTagging", 5).by(Who::Pipeline), r#"{"Tagging":{"xmlns":"http://s3.amazonaws.com/doc/2006-03-01/","TagSet":{"Tag":[{"Value":"<word>","Key":"team"},{"Value":"<env>","Key":"env"}]}},"tagging":"","bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com"}"#),
    bucket(write("PutBucketVersioning", 4).by(Who::Pipeline), r#"{"versioning":"","bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","VersioningConfiguration":{"Status":"Enabled","xmlns":"http://s3.amazonaws.com/doc/2006-03-01/"}}"#),
    bucket(write("PutBucketEncryption", 4).by(Who::Pipeline), r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","encryption":"","ServerSideEncryptionConfiguration":{"xmlns":"http://s3.amazonaws.com/doc/2006-03-01/","Rule":{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"<kmskey>"},"BucketKeyEnabled":true}}}"#),
];

const TABLE: &str = r#"{"accountId":"<account>","type":"AWS::DynamoDB::Table","ARN":"arn:aws:dynamodb:<region>:<account>:table/<table>"}"#;

const DYNAMODB: &[Shape] = &[
    read("GetItem", 60).data().p(r#"{"tableName":"<table>","key":{"<pick:pk|id|tenant>":"HIDDEN_DUE_TO_SECURITY_REASONS"},"consistentRead":<pick:true|false>}"#).on(TABLE),
    write("PutItem", 60).data().p(r#"{"tableName":"<table>","key":{"<pick:pk|id|tenant>":"HIDDEN_DUE_TO_SECURITY_REASONS"},"items":["pk","sk","<word>","<word>Id"]}"#).on(TABLE)
        .fails("ConditionalCheckFailedException", "The conditional request failed", 50),
    read("Query", 45).data().p(r#"{"tableName":"<table>","indexName":"<word>-index","limit":<n:1:500>,"keyConditionExpression":"pk = :v","scanIndexForward":false}"#).on(TABLE),
    write("UpdateItem", 40).data().p(r#"{"tableName":"<table>","key":{"pk":"HIDDEN_DUE_TO_SECURITY_REASONS"},"updateExpression":"SET #<word> = :<word>"}"#).on(TABLE),
    read("DescribeTable", 55).p(r#"{"tableName":"<table>"}"#).on(TABLE).fails("ResourceNotFoundException", "Requested resource not found: Table: <table> not found", 40),
    read("DescribeContinuousBackups", 15).p(r#"{"tableName":"<table>"}"#).on(TABLE),
    read("DescribeTimeToLive", 14).p(r#"{"tableName":"<table>"}"#).on(TABLE),
    read("ListTagsOfResource", 14).p(r#"{"resourceArn":"arn:aws:dynamodb:<region>:<account>:table/<table>"}"#).on(TABLE),
    write("UpdateTable", 3).by(Who::Pipeline).p(r#"{"tableName":"<table>","provisionedThroughput":{"readCapacityUnits":<n:5:900>,"writeCapacityUnits":<n:5:900>}}"#).on(TABLE),
];

const SQS: &[Shape] = &[
    read("GetQueueAttributes", 30).p(r#"{"attributeNames":["All"],"queueUrl":"https://sqs.<region>.amazonaws.com/<account>/<queue>"}"#)
        .fails("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.", 50),
    read("GetQueueUrl", 20).p(r#"{"queueName":"<queue>"}"#),
    read("ListQueueTags", 8).p(r#"{"queueUrl":"https://sqs.<region>.amazonaws.com/<account>/<queue>"}"#),
    write("SetQueueAttributes", 4).by(Who::Pipeline).p(r#"{"attributes":{"VisibilityTimeout":"<n:30:900>","MessageRetentionPeriod":"<n:3600:1209600>"},"queueUrl":"https://sqs.<region>.amazonaws.com/<account>/<queue>"}"#),
];

const SNS: &[Shape] = &[
    read("GetTopicAttributes", 20).p(r#"{"topicArn":"arn:aws:sns:<region>:<account>:<topic>"}"#),
    read("ListSubscriptionsByTopic", 12).p(r#"{"topicArn":"arn:aws:sns:<region>:<account>:<topic>"}"#),
    write("Publish", 18).data().by(Who::Workload).p(r#"{"topicArn":"arn:aws:sns:<region>:<account>:<topic>","subject":"HIDDEN_DUE_TO_SECURITY_REASONS","message":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#)
        .r(r#"{"messageId":"<uuid*>"}"#).on(r#"{"accountId":"<account>","type":"AWS::SNS::Topic","ARN":"arn:aws:sns:<region>:<account>:<topic>"}"#),
];

const GLUE: &[Shape] = &[
    read("GetTable", 40).by(Who::Workload).p(r#"{"databaseName":"<word>_<env>","name":"<word>_<word>","catalogId":"<account>"}"#)
        .fails("EntityNotFoundException", "Entity Not Found", 60),
    read("GetPartitions", 20).by(Who::Workload).p(r#"{"databaseName":"<word>_<env>","tableName":"<word>_<word>","expression":"(year='<n:2023:2025>') AND (month='<n:1:12>')","maxResults":1000}"#),
    read("GetDatabase", 12).p(r#"{"name":"<word>_<env>"}"#),
    write("BatchCreatePartition", 6).by(Who::Workload).p(r#"{"databaseName":"<word>_<env>","tableName":"<word>_<word>","partitionInputList":[{"values":["<n:2023:2025>","<n:1:12>","<n:1:28>"],"storageDescriptor":{"location":"s3://<bucket>/<word>/"}}]}"#),
];

const ATHENA: &[Shape] = &[
    write("StartQueryExecution", 12).by(Who::Workload).p(r#"{"queryString":"***OMITTED***","clientRequestToken":"<uuid*>","queryExecutionContext":{"database":"<word>_<env>"},"resultConfiguration":{"outputLocation":"s3://<bucket>/<word>/"},"workGroup":"<word>"}"#)
        .r(r#"{"queryExecutionId":"<uuid*>"}"#),
    read("GetQueryExecution", 40).p(r#"{"queryExecutionId":"<uuid*>"}"#),
    read("GetQueryResults", 12).p(r#"{"queryExecutionId":"<uuid*>","maxResults":<n:50:1000>}"#),
];
