//! Calls that watch, account for and build the rest: trails, logs, metrics, findings, stacks, models.
//!
//! Health, CloudTrail, Security Hub, Cost Explorer and the other panels of the console are weighed by the
//! console set. Bedrock and SageMaker are not in the corpus; their shapes follow the public service
//! documentation, and only workloads with temporary keys call models here: a call with long-lived keys is
//! one of the attacks.

use super::people::Who;
use super::shape::{Service, Shape, global, read, service, write};

/// The services of this file.
pub const SERVICES: [Service; 24] = [
    global("health", 166, 120, HEALTH),
    service("cloudtrail", 121, 120, CLOUDTRAIL),
    service("logs", 21, 260, LOGS),
    service("monitoring", 3, 110, MONITORING),
    service("config", 0, 70, CONFIG),
    service("guardduty", 14, 25, GUARDDUTY),
    service("securityhub", 3, 30, SECURITYHUB),
    service("cloudformation", 0, 80, CLOUDFORMATION),
    service("bedrock", 0, 150, BEDROCK),
    service("sagemaker", 0, 25, SAGEMAKER),
    service("states", 0, 30, STATES),
    service("events", 0, 25, EVENTS),
    service("tagging", 0, 30, TAGGING),
    service("notifications", 28, 20, NOTIFICATIONS),
    global("ce", 7, 12, COSTS),
    service("ram", 7, 10, RAM),
    global("route53", 7, 15, ROUTE53),
    service("acm", 0, 8, ACM),
    service("apigateway", 0, 15, APIGATEWAY),
    global("cloudfront", 0, 8, CLOUDFRONT),
    service("backup", 0, 12, BACKUP),
    service("inspector2", 0, 12, INSPECTOR),
    service("resource-explorer-2", 10, 8, EXPLORER),
    service("servicecatalog-appregistry", 3, 6, APPREGISTRY),
];

const HEALTH: &[Shape] = &[
    read("DescribeEventAggregates", 60).by(Who::Console).p(r#"{"filter":{"startTimes":[{"from":"<date>"}],"eventStatusCodes":["open","upcoming"]},"aggregateField":"eventTypeCategory"}"#),
    read("DescribeEvents", 6).p(r#"{"filter":{"regions":["<region>"],"eventStatusCodes":["open"]},"maxResults":<n:10:100>}"#),
];

const CLOUDTRAIL: &[Shape] = &[
    read("LookupEvents", 60).p(r#"{"maxResults":50,"startTime":"<date>","lookupAttributes":[{"attributeKey":"<pick:EventName|Username|ResourceName>","attributeValue":"<word>"}]}"#)
        .fails("InvalidLookupAttributesException", "You must specify a valid lookup attribute.", 60),
    read("DescribeTrails", 34).p(r#"{"includeShadowTrails":<pick:true|false>,"trailNameList":["arn:aws:cloudtrail:<region>:<account>:trail/<trail>"]}"#),
    read("GetTrailStatus", 25).p(r#"{"name":"arn:aws:cloudtrail:<region>:<account>:trail/<trail>"}"#)
        .fails("TrailNotFoundException", "No such trail: arn:aws:cloudtrail:<region>:<account>:trail/<trail>", 80),
    read("ListEventDataStores", 21).p(r#"{"maxResults":<n:5:100>}"#),
    read("GetEventSelectors", 14).p(r#"{"trailName":"arn:aws:cloudtrail:<region>:<account>:trail/<trail>"}"#),
    read("ListTags", 6).p(r#"{"resourceIdList":["arn:aws:cloudtrail:<region>:<account>:trail/<trail>"]}"#),
    write("StartLogging", 1).by(Who::Pipeline).p(r#"{"name":"arn:aws:cloudtrail:<region>:<account>:trail/<trail>"}"#),
];

const LOGS: &[Shape] = &[
    write("CreateLogStream", 150).by(Who::Workload).p(r#"{"logGroupName":"<loggroup>","logStreamName":"<logstream>"}"#)
        .fails("ResourceAlreadyExistsException", "The specified log stream already exists", 110),
    write("CreateLogGroup", 12).by(Who::Workload).p(r#"{"logGroupName":"<loggroup>"}"#)
        .fails("ResourceAlreadyExistsException", "The specified log group already exists", 400),
    read("DescribeLogStreams", 40).p(r#"{"logGroupName":"<loggroup>","logStreamNamePrefix":"<word>/<hex:8>","orderBy":"LogStreamName"}"#),
    read("DescribeLogGroups", 35).p(r#"{"logGroupNamePrefix":"<loggroup>","limit":<n:1:50>}"#),
    read("DescribeMetricFilters", 37).p(r#"{"metricName":"<word>Errors","metricNamespace":"<word>/<env>"}"#),
    read("FilterLogEvents", 20).p(r#"{"logGroupName":"<loggroup>","startTime":17<n:10000000:60000000>000,"endTime":17<n:60000001:90000000>000,"filterPattern":"<pick:ERROR|timeout|denied>","interleaved":true}"#),
    write("StartQuery", 12).p(r#"{"logGroupNames":[<some:1:3:loggroup>],"startTime":17<n:10000000:60000000>,"endTime":17<n:60000001:90000000>,"queryString":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#).r(r#"{"queryId":"<uuid*>"}"#),
    write("PutRetentionPolicy", 8).by(Who::Pipeline).p(r#"{"logGroupName":"<loggroup>","retentionInDays":<pick:7|14|30|90|365>}"#),
];

const MONITORING: &[Shape] = &[
    read("DescribeAlarms", 45).p(r#"{"alarmNames":["<alarm>"],"maxRecords":100}"#),
    read("GetMetricData", 40).p(r#"{"startTime":"<date>","endTime":"<date>","scanBy":"TimestampDescending","metricDataQueries":[{"id":"m<n:1:99>","metricStat":{"metric":{"namespace":"AWS/<pick:EC2|RDS|Lambda|SQS>","metricName":"<pick:CPUUtilization|Errors|Duration>"},"period":<pick:60|300>,"stat":"Average"}}]}"#),
    read("ListTagsForResource", 15).p(r#"{"resourceARN":"arn:aws:cloudwatch:<region>:<account>:alarm:<alarm>"}"#),
    write("PutMetricAlarm", 8).by(Who::Pipeline).p(r#"{"alarmName":"<alarm>","actionsEnabled":true,"alarmActions":["arn:aws:sns:<region>:<account>:<topic>"],"metricName":"CPUUtilization","namespace":"AWS/EC2","statistic":"Average","dimensions":[{"name":"InstanceId","value":"<instance>"}],"period":300,"evaluationPeriods":<n:1:5>,"threshold":<n:50:99>,"comparisonOperator":"GreaterThanThreshold"}"#),
];

const CONFIG: &[Shape] = &[
    read("DescribeConfigurationRecorders", 12),
    read("DescribeConfigurationRecorderStatus", 12),
    read("BatchGetResourceConfig", 15).p(r#"{"resourceKeys":[{"resourceType":"AWS::EC2::Instance","resourceId":"<instance>"}]}"#),
    read("GetComplianceDetailsByConfigRule", 15).p(r#"{"configRuleName":"<word>-<word>-<az:6>","complianceTypes":["NON_COMPLIANT"],"limit":100}"#),
    write("PutEvaluations", 40).by(Who::Workload).p(r#"{"evaluations":[{"complianceResourceType":"AWS::EC2::SecurityGroup","complianceResourceId":"<sg>","complianceType":"<pick:COMPLIANT|NON_COMPLIANT>","orderingTimestamp":"<date>"}],"resultToken":"<b64:80>","testMode":false}"#)
        .r(r#"{"failedEvaluations":[]}"#),
    read("SelectResourceConfig", 8).p(r#"{"expression":"SELECT resourceId WHERE resourceType = 'AWS::EC2::Volume' AND tags.tag = 'env=<env>'","limit":100}"#),
];

const GUARDDUTY: &[Shape] = &[
    read("GetDetector", 10).p(r#"{"detectorId":"<hex:32>"}"#),
    read("ListDetectors", 8),
    read("ListFindings", 12).p(r#"{"detectorId":"<hex:32>","maxResults":50,"sortCriteria":{"attributeName":"service.eventLastSeen","orderBy":"DESC"},"findingCriteria":{"criterion":{"service.archived":{"eq":["false"]}}}}"#),
    read("GetFindings", 8).p(r#"{"detectorId":"<hex:32>","findingIds":["<hex:32*>","<hex:32*>"]}"#),
];

const SECURITYHUB: &[Shape] = &[
    read("DescribeHub", 10).fails("InvalidAccessException", "Account <account> is not subscribed to AWS Security Hub", 100),
    read("GetFindings", 15).p(r#"{"filters":{"recordState":[{"value":"ACTIVE","comparison":"EQUALS"}],"productName":[{"value":"<pick:GuardDuty|Inspector|Security Hub>","comparison":"EQUALS"}]},"maxResults":100}"#),
    read("GetControlFindingSummary", 7),
    read("GetInsightResults", 7).p(r#"{"insightArn":"arn:aws:securityhub:::insight/securityhub/default/<n:1:40>"}"#),
    write("BatchImportFindings", 12).by(Who::Workload).p(r#"{"findings":[{"schemaVersion":"2018-10-08","id":"<uuid*>","productArn":"arn:aws:securityhub:<region>::product/<word>/<word>","awsAccountId":"<account>"}]}"#)
        .r(r#"{"failedCount":0,"successCount":1,"failedFindings":[]}"#),
];

const CLOUDFORMATION: &[Shape] = &[
    read("DescribeStacks", 60).p(r#"{"stackName":"arn:aws:cloudformation:<region>:<account>:stack/<stack>/<uuid*>"}"#)
        .fails("ValidationError", "Stack with id <stack> does not exist", 70),
    read("DescribeStackEvents", 30).p(r#"{"stackName":"<stack>"}"#),
    read("GetTemplate", 12).p(r#"{"stackName":"<stack>","templateStage":"Original"}"#),
    read("ListStackResources", 12).p(r#"{"stackName":"<stack>"}"#),
    write("CreateChangeSet", 8).by(Who::Pipeline).p(r#"{"stackName":"<stack>","changeSetName":"<label>-<n:100:99999>","changeSetType":"UPDATE","templateURL":"https://<bucket>.s3.<region>.amazonaws.com/<hex:64>.json","capabilities":["CAPABILITY_IAM"],"parameters":[{"parameterKey":"ImageTag","parameterValue":"<hex:7>"}],"clientToken":"<uuid*>"}"#)
        .r(r#"{"id":"arn:aws:cloudformation:<region>:<account>:changeSet/<label>-<n:100:99999>/<uuid*>","stackId":"arn:aws:cloudformation:<region>:<account>:stack/<stack>/<uuid*>"}"#),
    write("ExecuteChangeSet", 8).by(Who::Pipeline).p(r#"{"stackName":"<stack>","changeSetName":"<label>-<n:100:99999>"}"#),
];

const MODEL: &str = r#"{"accountId":"<account>","type":"AWS::Bedrock::FoundationModel","ARN":"arn:aws:bedrock:<region>::foundation-model/<model>"}"#;
const RUNTIME: &str = "bedrock-runtime.<region>.amazonaws.com";

const BEDROCK: &[Shape] = &[
    read("InvokeModel", 80).by(Who::Workload).p(r#"{"modelId":"<model>"}"#).a(r#"{"inferenceRegion":"<region>"}"#).to(RUNTIME)
        .fails("ThrottlingException", "Too many requests, please wait before trying again.", 70),
    read("InvokeModelWithResponseStream", 50).by(Who::Workload).p(r#"{"modelId":"<model>"}"#).a(r#"{"inferenceRegion":"<region>"}"#).to(RUNTIME)
        .fails("ThrottlingException", "Too many tokens, please wait before trying again.", 60),
    read("Converse", 70).by(Who::Workload).p(r#"{"modelId":"arn:aws:bedrock:<region>:<account>:inference-profile/<model>"}"#).a(r#"{"inferenceRegion":"<region>"}"#).to(RUNTIME)
        .fails("ValidationException", "The provided model identifier is invalid.", 15),
    read("ConverseStream", 40).by(Who::Workload).p(r#"{"modelId":"<model>"}"#).a(r#"{"inferenceRegion":"<region>"}"#).to(RUNTIME),
    read("InvokeAgent", 20).data().by(Who::Workload).p(r#"{"agentId":"<AZ:10>","agentAliasId":"<AZ:10*>","sessionId":"<uuid*>","endSession":false,"enableTrace":false,"inputText":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#)
        .on(r#"{"accountId":"<account>","type":"AWS::Bedrock::AgentAlias","ARN":"arn:aws:bedrock:<region>:<account>:agent-alias/<AZ:10>/<AZ:10*>"}"#).to("bedrock-agent-runtime.<region>.amazonaws.com"),
    read("Retrieve", 20).data().by(Who::Workload).p(r#"{"knowledgeBaseId":"<AZ:10>","retrievalQuery":"HIDDEN_DUE_TO_SECURITY_REASONS","retrievalConfiguration":{"vectorSearchConfiguration":{"numberOfResults":<n:3:20>}}}"#)
        .on(r#"{"accountId":"<account>","type":"AWS::Bedrock::KnowledgeBase","ARN":"arn:aws:bedrock:<region>:<account>:knowledge-base/<AZ:10>"}"#).to("bedrock-agent-runtime.<region>.amazonaws.com"),
    read("GetFoundationModel", 8).p(r#"{"modelIdentifier":"<model>"}"#).on(MODEL),
    read("ListFoundationModels", 8).p(r#"{"byProvider":"<pick:Anthropic|Amazon|Meta|Mistral AI>"}"#),
    read("ListInferenceProfiles", 6).p(r#"{"maxResults":<n:10:1000>,"typeEquals":"SYSTEM_DEFINED"}"#),
    read("GetGuardrail", 6).p(r#"{"guardrailIdentifier":"<az:12>","guardrailVersion":"<pick:DRAFT|1|2>"}"#),
];

const SAGEMAKER: &[Shape] = &[
    read("DescribeEndpoint", 12).p(r#"{"endpointName":"<word>-<word>-<env>"}"#),
    read("DescribeTrainingJob", 15)
        .p(r#"{"trainingJobName":"<word>-training-<n:2023:2025>-<n:10:12>-<n:10:28>-<hex:8>"}"#),
    read("ListEndpoints", 6).p(r#"{"sortBy":"CreationTime","maxResults":<n:10:100>}"#),
    write("InvokeEndpoint", 12)
        .data()
        .by(Who::Workload)
        .p(r#"{"endpointName":"<word>-<word>-<env>","contentType":"application/json"}"#)
        .to("runtime.sagemaker.<region>.amazonaws.com"),
];

const STATES: &[Shape] = &[
    write("StartExecution", 15).by(Who::Workload).p(r#"{"stateMachineArn":"arn:aws:states:<region>:<account>:stateMachine:<statemachine>","name":"<uuid>","input":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#)
        .r(r#"{"executionArn":"arn:aws:states:<region>:<account>:execution:<statemachine>:<uuid>","startDate":"<date>"}"#),
    read("DescribeExecution", 15).p(r#"{"executionArn":"arn:aws:states:<region>:<account>:execution:<statemachine>:<uuid>"}"#),
    read("ListExecutions", 8).p(r#"{"stateMachineArn":"arn:aws:states:<region>:<account>:stateMachine:<statemachine>","statusFilter":"<pick:RUNNING|FAILED>","maxResults":100}"#),
];

const EVENTS: &[Shape] = &[
    read("DescribeRule", 15).p(r#"{"name":"<word>-<word>-<env>","eventBusName":"default"}"#).fails(
        "ResourceNotFoundException",
        "Rule does not exist on EventBus default.",
        60,
    ),
    read("ListTargetsByRule", 15).p(r#"{"rule":"<word>-<word>-<env>","eventBusName":"default"}"#),
    write("PutRule", 4)
        .by(Who::Pipeline)
        .p(r#"{"name":"<label>","scheduleExpression":"rate(<n:5:60> minutes)","state":"ENABLED"}"#)
        .r(r#"{"ruleArn":"arn:aws:events:<region>:<account>:rule/<label>"}"#),
];

const TAGGING: &[Shape] = &[read("GetResources", 32).p(r#"{"resourcesPerPage":<n:25:100>,"tagFilters":[{"key":"<pick:team|env|app>","values":["<word>"]}],"resourceTypeFilters":["<pick:ec2:instance|s3|lambda:function|rds:db>"],"paginationToken":"<b64:64>"}"#)];

const NOTIFICATIONS: &[Shape] = &[read("ListNotificationHubs", 58).by(Who::Console)];

const COSTS: &[Shape] = &[
    read("GetCostAndUsage", 14).p(r#"{"timePeriod":{"start":"<n:2023:2025>-<n:10:12>-01","end":"<n:2023:2025>-<n:10:12>-<n:10:28>"},"granularity":"<pick:DAILY|MONTHLY>","metrics":["UnblendedCost"],"groupBy":[{"type":"DIMENSION","key":"SERVICE"}]}"#),
    read("GetCostForecast", 14).p(r#"{"timePeriod":{"start":"<n:2023:2025>-<n:10:12>-01","end":"<n:2023:2025>-<n:10:12>-<n:10:28>"},"metric":"UNBLENDED_COST","granularity":"MONTHLY"}"#),
];

const RAM: &[Shape] = &[
    read("ListResources", 20).p(r#"{"resourceOwner":"OTHER-ACCOUNTS","resourceArns":["arn:aws:ec2:<region>:<account>:subnet/<subnet>"],"maxResults":<n:10:500>}"#),
    read("GetResourceShareAssociations", 6).p(r#"{"associationType":"PRINCIPAL","resourceShareArns":["arn:aws:ram:<region>:<account>:resource-share/<uuid*>"]}"#),
];

const ROUTE53: &[Shape] = &[
    read("ListHostedZones", 8).p(r#"{"maxItems":"<n:10:100>"}"#),
    read("ListResourceRecordSets", 15).p(r#"{"hostedZoneId":"Z<AZ:20>","maxItems":"300"}"#),
    write("ChangeResourceRecordSets", 8).by(Who::Workload).p(r#"{"hostedZoneId":"Z<AZ:20>","changeBatch":{"changes":[{"action":"UPSERT","resourceRecordSet":{"name":"<word>.<env>.<word>.example","type":"A","tTL":60,"resourceRecords":[{"value":"<ip10>"}]}}]}}"#)
        .r(r#"{"changeInfo":{"id":"/change/C<AZ:20*>","status":"PENDING","submittedAt":"<date>"}}"#),
];

const ACM: &[Shape] = &[
    read("DescribeCertificate", 12)
        .p(r#"{"certificateArn":"arn:aws:acm:<region>:<account>:certificate/<uuid*>"}"#),
    read("ListCertificates", 4).p(r#"{"certificateStatuses":["ISSUED"],"maxItems":<n:10:1000>}"#),
];

const APIGATEWAY: &[Shape] = &[
    read("GetRestApi", 10).p(r#"{"restApiId":"<az:10>"}"#).fails(
        "NotFoundException",
        "Invalid API identifier specified <account>:<az:10>",
        50,
    ),
    read("GetStage", 8).p(r#"{"restApiId":"<az:10>","stageName":"<env>"}"#),
    write("CreateDeployment", 3)
        .by(Who::Pipeline)
        .p(r#"{"restApiId":"<az:10>","createDeploymentInput":{"stageName":"<env>"}}"#)
        .r(r#"{"id":"<az:6>","createdDate":"<date>"}"#),
];

const CLOUDFRONT: &[Shape] = &[
    read("GetDistribution2020_05_31", 10).p(r#"{"id":"E<AZ:13>"}"#),
    read("ListDistributions2020_05_31", 4).p(r#"{"maxItems":"<n:10:100>"}"#),
    write("CreateInvalidation2020_05_31", 4).by(Who::Pipeline).p(r#"{"distributionId":"E<AZ:13>","invalidationBatch":{"paths":{"quantity":1,"items":["/*"]},"callerReference":"cli-17<n:10000000:60000000>"}}"#),
];

const BACKUP: &[Shape] = &[
    read("ListRecoveryPointsByBackupVault", 8).p(r#"{"backupVaultName":"<word>-<env>-vault","maxResults":<n:10:1000>}"#),
    read("DescribeBackupJob", 6).p(r#"{"backupJobId":"<UUID>"}"#),
    write("BackupJobCompleted", 10).reported("backup.amazonaws.com", r#"{"completionDate":{"seconds":<n:1700000000:1760000000>,"nanos":<n:1000000:99000000>},"state":"COMPLETED","percentDone":100,"backupJobId":"<UUID>","backupVaultName":"<word>-<env>-vault","resourceType":"<pick:EBS|RDS|DynamoDB>"}"#),
];

const INSPECTOR: &[Shape] = &[
    read("ListFindings", 10).p(r#"{"maxResults":100,"filterCriteria":{"findingStatus":[{"comparison":"EQUALS","value":"ACTIVE"}],"severity":[{"comparison":"EQUALS","value":"<pick:HIGH|CRITICAL>"}]}}"#),
    read("BatchGetAccountStatus", 4).p(r#"{"accountIds":["<account>"]}"#),
];

const EXPLORER: &[Shape] = &[read("ListIndexes", 8).p(r#"{"type":"AGGREGATOR","maxResults":<n:10:100>}"#)];

const APPREGISTRY: &[Shape] = &[read("ListApplications", 10).p(r#"{"maxResults":<n:10:100>}"#)];
