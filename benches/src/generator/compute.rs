//! Calls that run machines: EC2, RDS, Lambda, containers, scaling and balancing.
//!
//! The weights of EC2 and RDS are the counts of the native trail and of the console set together, thinned
//! out where one attack tool alone had made them. Answers are given where CloudTrail records one, which it
//! does for calls that change something and not for calls that read.

use super::people::Who;
use super::shape::{Service, Shape, read, service, write};

/// The services of this file.
pub const SERVICES: [Service; 8] = [
    Service {
        prefix: "Client.",
        denied: (
            "UnauthorizedOperation",
            "The caller may not perform this operation. Encoded failure message: <b64:420>",
        ),
        ..service("ec2", 3076, 2350, EC2)
    },
    Service { denied: ("AccessDenied", DENIED), ..service("rds", 517, 350, RDS) },
    service("lambda", 93, 260, LAMBDA),
    service("autoscaling", 3, 50, AUTOSCALING),
    service("elasticloadbalancing", 7, 60, BALANCING),
    service("ecs", 0, 90, ECS),
    service("eks", 0, 80, EKS),
    service("ecr", 0, 110, ECR),
];

const DENIED: &str =
    "User: <me> is not authorized to perform: <action> because no identity-based policy allows it";
const DONE: &str = r#"{"requestId":"<uuid*>","_return":true}"#;

const EC2: &[Shape] = &[
    read("DescribeInstances", 190).p(r#"{"instancesSet":{"items":[<items:1:3:instanceId:instance>]},"filterSet":{}}"#),
    read("DescribeInstances", 60).p(r#"{"maxResults":<n:50:1000>,"instancesSet":{},"filterSet":{"items":[{"name":"tag:<word>","valueSet":{"items":[{"value":"<word>-<env>"}]}},{"name":"instance-state-name","valueSet":{"items":[{"value":"running"}]}}]}}"#),
    read("DescribeRouteTables", 140).p(r#"{"routeTableIdSet":{},"filterSet":{"items":[{"name":"<pick:association.main|association.subnet-id|route.gateway-id>","valueSet":{"items":[{"value":"<pick:true|false>"}]}},{"name":"vpc-id","valueSet":{"items":[{"value":"<vpc>"}]}}]}}"#)
        .fails("InvalidRouteTableID.NotFound", "No route table <rtb> in this account", 70),
    read("DescribeInstanceTypes", 120).p(r#"{"DescribeInstanceTypesRequest":{"Filter":[{"Value":{"tag":1,"content":"<pick:true|x86_64|arm64>"},"tag":1,"Name":"<pick:current-generation|processor-info.supported-architecture>"}],"MaxResults":100,"NextToken":"<b64:60>"}}"#),
    read("DescribeImages", 110).p(r#"{"executableBySet":{},"imagesSet":{"items":[<items:1:3:imageId:ami>]},"ownersSet":{},"filterSet":{}}"#)
        .fails("InvalidAMIID.NotFound", "No image <ami> in this account", 30),
    read("DescribeSecurityGroups", 105).p(r#"{"securityGroupSet":{},"securityGroupIdSet":{"items":[<items:1:3:groupId:sg>]},"filterSet":{}}"#),
    read("DescribeSecurityGroups", 35).p(r#"{"securityGroupSet":{},"securityGroupIdSet":{},"filterSet":{"items":[{"name":"vpc-id","valueSet":{"items":[{"value":"<vpc>"}]}},{"name":"group-name","valueSet":{"items":[{"value":"<word>-<word>-<env>"}]}}]}}"#),
    read("DescribeAddresses", 90).p(r#"{"publicIpsSet":{},"filterSet":{},"allocationIdsSet":{"items":[{"allocationId":"<eip>"}]}}"#)
        .fails("InvalidAllocationID.NotFound", "No address allocation <eip> in this account", 20),
    read("DescribeNatGateways", 80).p(r#"{"DescribeNatGatewaysRequest":{"NatGatewayId":{"tag":1,"content":"<nat>"}}}"#),
    read("DescribeVpcs", 100).p(r#"{"vpcSet":{"items":[<items:1:3:vpcId:vpc>]},"filterSet":{}}"#)
        .fails("InvalidVpcID.NotFound", "No VPC <vpc> in this account", 20),
    read("DescribeSubnets", 110).p(r#"{"subnetSet":{"items":[<items:1:3:subnetId:subnet>]},"filterSet":{}}"#)
        .fails("InvalidSubnetID.NotFound", "No subnet <subnet> in this account", 15),
    read("DescribeTags", 80).p(r#"{"maxResults":1000,"filterSet":{"items":[{"name":"resource-id","valueSet":{"items":[{"value":"<instance>"}]}}]}}"#),
    read("DescribeNetworkAcls", 60).p(r#"{"networkAclIdSet":{},"filterSet":{"items":[{"name":"vpc-id","valueSet":{"items":[{"value":"<vpc>"}]}},{"name":"default","valueSet":{"items":[{"value":"<pick:true|false>"}]}}]}}"#),
    read("DescribeInternetGateways", 60).p(r#"{"internetGatewayIdSet":{"items":[{"internetGatewayId":"<igw>"}]},"filterSet":{}}"#),
    read("DescribeNetworkInterfaces", 110).p(r#"{"networkInterfaceIdSet":{"items":[<items:1:3:networkInterfaceId:eni>]},"filterSet":{}}"#),
    read("DescribeAccountAttributes", 50).p(r#"{"accountAttributeNameSet":{"items":[{"attributeName":"<pick:supported-platforms|default-vpc|max-instances|vpc-max-elastic-ips>"}]},"filterSet":{}}"#),
    read("DescribeVolumes", 85).p(r#"{"volumeSet":{"items":[<items:1:3:volumeId:vol>]},"filterSet":{}}"#)
        .fails("InvalidVolume.NotFound", "No volume <vol> in this account", 40),
    read("DescribeSnapshots", 40).p(r#"{"maxResults":<n:5:1000>,"snapshotSet":{"items":[<items:1:3:snapshotId:snap>]},"ownersSet":{"items":[{"owner":"self"}]},"sharedUsersSet":{},"filterSet":{}}"#),
    read("DescribeDhcpOptions", 40).p(r#"{"dhcpOptionsSet":{"items":[{"dhcpOptionsId":"<dopt>"}]},"filterSet":{}}"#),
    read("DescribeVpcEndpoints", 50).p(r#"{"DescribeVpcEndpointsRequest":{"VpcEndpointId":{"tag":1,"content":"<vpce>"}}}"#),
    read("DescribeVpcPeeringConnections", 35).p(r#"{"filterSet":{"items":[{"name":"requester-vpc-info.vpc-id","valueSet":{"items":[{"value":"<vpc>"}]}}]}}"#),
    read("DescribeInstanceAttribute", 45).p(r#"{"instanceId":"<instance>","attribute":"<pick:instanceInitiatedShutdownBehavior|disableApiTermination|sourceDestCheck|groupSet>"}"#)
        .fails("InvalidInstanceID.NotFound", "No instance <instance> in this account", 25),
    read("DescribeAvailabilityZones", 60).p(r#"{"availabilityZoneSet":{},"availabilityZoneIdSet":{},"filterSet":{"items":[{"name":"state","valueSet":{"items":[{"value":"available"}]}},{"name":"zone-name","valueSet":{"items":[{"value":"<zone>"}]}}]}}"#),
    read("DescribeVpcAttribute", 45).p(r#"{"vpcId":"<vpc>"}"#),
    read("DescribeInstanceTypeOfferings", 30).p(r#"{"DescribeInstanceTypeOfferingsRequest":{"LocationType":"availability-zone","Filter":{"Value":{"tag":1,"content":"<itype>"},"tag":1,"Name":"instance-type"},"MaxResults":1000}}"#),
    read("DescribeManagedPrefixLists", 20).p(r#"{"DescribeManagedPrefixListsRequest":{"Filter":{"Value":{"tag":1,"content":"<word>-<env>"},"tag":1,"Name":"prefix-list-name"}}}"#),
    read("DescribeInstanceStatus", 55).p(r#"{"instancesSet":{"items":[<items:1:3:instanceId:instance>]},"filterSet":{},"includeAllInstances":<pick:true|false>}"#),
    read("DescribeRegions", 25).p(r#"{"regionSet":{},"allRegions":<pick:true|false>}"#),
    read("DescribeLaunchTemplateVersions", 30).p(r#"{"DescribeLaunchTemplateVersionsRequest":{"LaunchTemplateId":"<lt>","LaunchTemplateVersion":{"tag":1,"content":"<n:1:80>"}}}"#),
    read("DescribeSpotPriceHistory", 20).by(Who::Workload).p(r#"{"DescribeSpotPriceHistoryRequest":{"instanceTypeSet":{"items":[{"instanceType":"<itype>"}]},"productDescriptionSet":{"items":[{"productDescription":"Linux/UNIX"}]},"availabilityZone":"<zone>"}}"#),
    read("DescribeFlowLogs", 12).p(r#"{"DescribeFlowLogsRequest":{"Filter":{"Value":{"tag":1,"content":"<vpc>"},"tag":1,"Name":"resource-id"}}}"#),
    write("CreateTags", 70).p(r#"{"resourcesSet":{"items":[<items:1:3:resourceId:instance>]},"tagSet":{"items":[{"key":"Name","value":"<word>-<word>-<env>"},{"key":"cost-center","value":"<n:1000:9999>"}]}}"#).r(DONE),
    write("CreateNetworkInterface", 34).p(r#"{"subnetId":"<subnet>","description":"AWS Lambda VPC ENI-<word>-<uuid>","groupSet":{"items":[{"groupId":"<sg>"}]},"privateIpAddressesSet":{},"clientToken":"<uuid*>"}"#)
        .r(r#"{"requestId":"<uuid*>","networkInterface":{"networkInterfaceId":"<eni>","subnetId":"<subnet>","vpcId":"<vpc>","availabilityZone":"<zone>","ownerId":"<account>","requesterManaged":false,"status":"pending","macAddress":"0a:<n:10:99>:<n:10:99>:<n:10:99>:<n:10:99>:<n:10:99>","privateIpAddress":"<ip10>","sourceDestCheck":true,"interfaceType":"interface","groupSet":{"items":[{"groupId":"<sg>","groupName":"<word>-<env>"}]}}}"#),
    write("DeleteNetworkInterface", 34).p(r#"{"networkInterfaceId":"<eni>"}"#).r(DONE)
        .fails("InvalidParameterValue", "Network interface '<eni>' is currently in use.", 60),
    write("RunInstances", 18).p(r#"{"instancesSet":{"items":[{"imageId":"<ami>","minCount":1,"maxCount":<n:1:4>}]},"instanceType":"<itype>","blockDeviceMapping":{},"monitoring":{"enabled":false},"disableApiTermination":false,"clientToken":"<uuid*>","iamInstanceProfile":{"name":"<role>"},"tagSpecificationSet":{"items":[{"resourceType":"instance","tags":[{"key":"Name","value":"<word>-<env>"}]}]}}"#)
        .r(r#"{"requestId":"<uuid*>","reservationId":"<reservation>","ownerId":"<account>","groupSet":{},"instancesSet":{"items":[{"instanceId":"<instance>","imageId":"<ami>","instanceState":{"code":0,"name":"pending"},"privateDnsName":"<privatehost>.ec2.internal","amiLaunchIndex":0,"productCodes":{},"instanceType":"<itype>","launchTime":<n:1600000000:1790000000>000,"placement":{"availabilityZone":"<zone>","tenancy":"default"},"monitoring":{"state":"disabled"},"subnetId":"<subnet>","vpcId":"<vpc>","privateIpAddress":"<ip10>","stateReason":{"code":"pending","message":"pending"},"architecture":"x86_64","rootDeviceType":"ebs","rootDeviceName":"/dev/xvda","blockDeviceMapping":{},"virtualizationType":"hvm","hypervisor":"xen","groupSet":{"items":[{"groupId":"<sg>","groupName":"<word>-<env>"}]},"sourceDestCheck":true,"networkInterfaceSet":{"items":[{"networkInterfaceId":"<eni>","subnetId":"<subnet>","vpcId":"<vpc>","ownerId":"<account>","status":"in-use","privateIpAddress":"<ip10>"}]},"ebsOptimized":true,"cpuOptions":{"coreCount":<n:1:8>,"threadsPerCore":2}}]}}"#)
        .fails("InsufficientInstanceCapacity", "We currently do not have sufficient <itype> capacity in the Availability Zone you requested.", 90),
    write("TerminateInstances", 22).p(r#"{"instancesSet":{"items":[{"instanceId":"<instance>"}]}}"#)
        .r(r#"{"requestId":"<uuid*>","instancesSet":{"items":[{"instanceId":"<instance>","currentState":{"code":32,"name":"shutting-down"},"previousState":{"code":16,"name":"running"}}]}}"#),
    write("StopInstances", 14).p(r#"{"instancesSet":{"items":[{"instanceId":"<instance>"}]},"force":false}"#)
        .r(r#"{"requestId":"<uuid*>","instancesSet":{"items":[{"instanceId":"<instance>","currentState":{"code":64,"name":"stopping"},"previousState":{"code":16,"name":"running"}}]}}"#),
    write("AttachVolume", 18).p(r#"{"volumeId":"<vol>","instanceId":"<instance>","device":"/dev/xvd<pick:b|c|d|f>","deleteOnTermination":false}"#)
        .r(r#"{"requestId":"<uuid*>","volumeId":"<vol>","instanceId":"<instance>","status":"attaching","attachTime":<n:1600000000:1790000000>000,"deleteOnTermination":false}"#),
    write("CreateSnapshot", 26).p(r#"{"volumeId":"<vol>","description":"nightly <word> <env>"}"#)
        .r(r#"{"requestId":"<uuid*>","snapshotId":"<snap>","volumeId":"<vol>","status":"pending","startTime":<n:1600000000:1790000000>000,"progress":"","ownerId":"<account>","volumeSize":"<n:8:500>","description":"nightly","encrypted":true}"#),
    write("DeleteSnapshot", 26).p(r#"{"snapshotId":"<snap>"}"#).r(DONE)
        .fails("InvalidSnapshot.NotFound", "No snapshot <snap> in this account", 50),
    write("CreateLaunchTemplateVersion", 4).by(Who::Pipeline).p(r#"{"CreateLaunchTemplateVersionRequest":{"LaunchTemplateId":"<lt>","LaunchTemplateData":{"ImageId":"<ami>","InstanceType":"<itype>"},"ClientToken":"<uuid*>"}}"#)
        .r(r#"{"CreateLaunchTemplateVersionResponse":{"xmlns":"http://ec2.amazonaws.com/doc/2016-11-15/","requestId":"<uuid*>","launchTemplateVersion":{"launchTemplateId":"<lt>","versionNumber":<n:2:90>,"defaultVersion":false,"launchTemplateName":"<word>-<env>"}}}"#),
    write("AuthorizeSecurityGroupIngress", 5).by(Who::Pipeline).p(r#"{"groupId":"<sg>","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":<n:1024:9000>,"toPort":<n:9001:9999>,"groups":{},"ipRanges":{"items":[{"cidrIp":"<ip10>/32"}]},"ipv6Ranges":{},"prefixListIds":{}}]}}"#)
        .r(r#"{"requestId":"<uuid*>","_return":true,"securityGroupRuleSet":{"items":[{"groupOwnerId":"<account>","groupId":"<sg>","securityGroupRuleId":"<sgrule>","isEgress":false,"ipProtocol":"tcp"}]}}"#)
        .fails("InvalidPermission.Duplicate", "the specified rule already exists", 80),
    write("AssociateRouteTable", 4).by(Who::Pipeline).p(r#"{"routeTableId":"<rtb>","subnetId":"<subnet>"}"#)
        .r(r#"{"requestId":"<uuid*>","associationId":"<assoc>","associationState":{"state":"associated"}}"#),
    write("SharedSnapshotVolumeCreated", 2).reported("ec2.amazonaws.com", r#"{"snapshotId":"<snap>"}"#),
];

const RDS: &[Shape] = &[
    read("DescribeDBInstances", 110).p(r#"{"dBInstanceIdentifier":"<db>"}"#)
        .fails("DBInstanceNotFound", "DBInstance <db> not found.", 25),
    read("DescribeDBClusters", 60).p(r#"{"dBClusterIdentifier":"<db>-cluster"}"#),
    read("DescribeOrderableDBInstanceOptions", 30).p(r#"{"engine":"<pick:postgres|mysql|aurora-postgresql|mariadb>","engineVersion":"<n:8:16>.<n:0:12>","vpc":true}"#),
    read("DescribeDBEngineVersions", 20).p(r#"{"marker":"<b64:28>","defaultOnly":false,"listSupportedCharacterSets":true}"#),
    read("DescribeDBSnapshots", 35).p(r#"{"dBInstanceIdentifier":"<db>","snapshotType":"<pick:automated|manual>","includePublic":false,"includeShared":false}"#),
    read("ListTagsForResource", 40).p(r#"{"resourceName":"arn:aws:rds:<region>:<account>:db:<db>"}"#),
    read("DescribeDBLogFiles", 25).by(Who::Workload).p(r#"{"dBInstanceIdentifier":"<db>","fileLastWritten":<n:1600000000:1790000000>000,"maxRecords":100}"#),
    read("DownloadDBLogFilePortion", 20).by(Who::Workload).p(r#"{"dBInstanceIdentifier":"<db>","logFileName":"error/postgresql.log.<now>","numberOfLines":<n:100:10000>}"#),
    read("DescribePendingMaintenanceActions", 8).p(r#"{"resourceIdentifier":"arn:aws:rds:<region>:<account>:db:<db>"}"#),
    write("CreateDBSnapshot", 6).p(r#"{"dBSnapshotIdentifier":"<db>-<hex:8>","dBInstanceIdentifier":"<db>"}"#)
        .r(r#"{"dBSnapshotIdentifier":"<db>-<hex:8>","dBInstanceIdentifier":"<db>","engine":"postgres","allocatedStorage":<n:20:900>,"status":"creating","port":5432,"availabilityZone":"<zone>","vpcId":"<vpc>","masterUsername":"<word>","engineVersion":"<n:12:16>.<n:1:9>","snapshotType":"manual","storageType":"gp3","encrypted":true,"dBSnapshotArn":"arn:aws:rds:<region>:<account>:snapshot:<db>-<hex:8>","processorFeatures":[],"tagList":[]}"#),
    write("AddTagsToResource", 6).by(Who::Pipeline).p(r#"{"resourceName":"arn:aws:rds:<region>:<account>:db:<db>","tags":[{"key":"owner","value":"<word>"},{"key":"env","value":"<env>"}]}"#),
];

const LAMBDA: &[Shape] = &[
    read("GetFunction20150331v2", 70).p(r#"{"functionName":"arn:aws:lambda:<region>:<account>:function:<function>"}"#)
        .fails("ResourceNotFoundException", "Function not found: arn:aws:lambda:<region>:<account>:function:<function>", 40),
    read("GetFunctionConfiguration20150331v2", 30).p(r#"{"functionName":"<function>"}"#),
    read("ListVersionsByFunction20150331", 25).p(r#"{"functionName":"<function>","maxItems":<n:10:50>}"#),
    read("GetFunctionCodeSigningConfig", 20).p(r#"{"functionName":"<function>"}"#),
    read("ListFunctions20150331", 15).p(r#"{"maxItems":<n:10:1000>,"marker":"<b64:90>"}"#),
    read("GetPolicy20150331v2", 20).p(r#"{"functionName":"<function>","qualifier":"<n:1:200>"}"#)
        .fails("ResourceNotFoundException", "The resource you requested does not exist.", 250),
    write("Invoke", 80).data().by(Who::Workload).p(r#"{"functionName":"arn:aws:lambda:<region>:<account>:function:<function>","invocationType":"<pick:RequestResponse|Event>","clientContext":"<b64:24>"}"#)
        .a(r#"{"functionVersion":"arn:aws:lambda:<region>:<account>:function:<function>:$LATEST","customerEniId":"<eni>"}"#)
        .on(r#"{"accountId":"<account>","type":"AWS::Lambda::Function","ARN":"arn:aws:lambda:<region>:<account>:function:<function>"}"#),
    write("UpdateFunctionCode20150331v2", 10).by(Who::Pipeline).p(r#"{"functionName":"<function>","s3Bucket":"<bucket>","s3Key":"builds/<hex:40>.zip","publish":true,"dryRun":false}"#)
        .r(r#"{"functionName":"<function>","functionArn":"arn:aws:lambda:<region>:<account>:function:<function>:<n:2:400>","runtime":"<pick:python3.12|nodejs20.x|java21|provided.al2023>","role":"arn:aws:iam::<account>:role/<role>","handler":"<word>.handler","codeSize":<n:900:9000000>,"description":"","timeout":<n:3:900>,"memorySize":<n:128:3008>,"lastModified":"<now>","codeSha256":"<b64:43>=","version":"<n:2:400>","environment":{},"tracingConfig":{"mode":"PassThrough"},"revisionId":"<uuid*>","state":"Active","packageType":"Zip","architectures":["x86_64"]}"#),
    write("UpdateFunctionConfiguration20150331v2", 6).by(Who::Pipeline).p(r#"{"functionName":"<function>","timeout":<n:3:900>,"memorySize":<n:128:3008>,"environment":{}}"#)
        .r(r#"{"functionName":"<function>","functionArn":"arn:aws:lambda:<region>:<account>:function:<function>","role":"arn:aws:iam::<account>:role/<role>","lastModified":"<now>","revisionId":"<uuid*>","state":"Active"}"#),
    write("PublishVersion20150331", 4).by(Who::Pipeline).p(r#"{"functionName":"<function>","codeSha256":"<b64:43>=","description":"build <n:100:9999>"}"#),
];

const AUTOSCALING: &[Shape] = &[
    read("DescribeAutoScalingGroups", 46).p(r#"{"maxRecords":100,"autoScalingGroupNames":["<asg>"]}"#),
    read("DescribeScalingActivities", 12).p(r#"{"autoScalingGroupName":"<asg>","maxRecords":<n:10:100>}"#),
    read("DescribeAutoScalingInstances", 10).by(Who::Workload).p(r#"{"instanceIds":[<some:1:4:instance>]}"#),
    write("CompleteLifecycleAction", 5).by(Who::Workload).p(r#"{"lifecycleHookName":"<word>-drain","autoScalingGroupName":"<asg>","lifecycleActionToken":"<uuid*>","lifecycleActionResult":"CONTINUE"}"#)
        .fails("ValidationException", "No active Lifecycle Action found with token <uuid*>", 120),
    write("SetDesiredCapacity", 4).by(Who::Pipeline).p(r#"{"autoScalingGroupName":"<asg>","desiredCapacity":<n:0:60>,"honorCooldown":false}"#),
];

const BALANCING: &[Shape] = &[
    read("DescribeLoadBalancers", 25).p(r#"{"loadBalancerArns":["arn:aws:elasticloadbalancing:<region>:<account>:loadbalancer/<lb>"]}"#),
    read("DescribeTargetHealth", 40).p(r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<word>-<env>/<hex:16>"}"#),
    read("DescribeTargetGroups", 20).p(r#"{"names":["<word>-<env>-<hex:6>"]}"#)
        .fails("TargetGroupNotFoundException", "One or more target groups not found", 60),
    read("DescribeTags", 20).p(r#"{"resourceArns":["arn:aws:elasticloadbalancing:<region>:<account>:loadbalancer/<lb>"]}"#),
    write("RegisterTargets", 14).by(Who::Workload).p(r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<word>-<env>/<hex:16>","targets":[{"id":"<ip10>","port":<n:3000:9000>,"availabilityZone":"<zone>"}]}"#),
    write("DeregisterTargets", 14).by(Who::Workload).p(r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<word>-<env>/<hex:16>","targets":[{"id":"<ip10>","port":<n:3000:9000>}]}"#),
];

const ECS: &[Shape] = &[
    read("DescribeTasks", 40).p(r#"{"cluster":"<cluster>","tasks":["arn:aws:ecs:<region>:<account>:task/<cluster>/<hex:32>"]}"#),
    read("DescribeServices", 40).p(r#"{"cluster":"<cluster>","services":["<word>-<word>"]}"#),
    read("ListTasks", 15).p(r#"{"cluster":"<cluster>","serviceName":"<word>-<word>","desiredStatus":"RUNNING"}"#),
    write("SubmitTaskStateChange", 30).by(Who::Workload).p(r#"{"cluster":"<cluster>","task":"arn:aws:ecs:<region>:<account>:task/<cluster>/<hex:32>","status":"<pick:RUNNING|STOPPED>","executionStoppedAt":"<date>"}"#)
        .r(r#"{"acknowledgment":"<uuid*>"}"#),
    write("UpdateService", 6).by(Who::Pipeline).p(r#"{"cluster":"<cluster>","service":"<word>-<word>","taskDefinition":"<word>-<env>:<n:2:900>","forceNewDeployment":false}"#),
];

const EKS: &[Shape] = &[
    read("DescribeCluster", 60).p(r#"{"name":"<cluster>"}"#).fails(
        "ResourceNotFoundException",
        "No cluster found for name: <cluster>.",
        25,
    ),
    read("ListNodegroups", 15).p(r#"{"name":"<cluster>","maxResults":<n:10:100>}"#),
    read("DescribeNodegroup", 20).p(r#"{"name":"<cluster>","nodegroupName":"<word>-<n:1:9>"}"#),
    read("ListClusters", 8).p(r#"{"maxResults":100}"#),
    read("AccessKubernetesApi", 10).by(Who::Console).p(r#"{"name":"<cluster>"}"#),
];

const ECR: &[Shape] = &[
    read("GetAuthorizationToken", 30).p(r#"{"registryIds":["<account>"]}"#),
    read("BatchGetImage", 45).p(r#"{"registryId":"<account>","repositoryName":"<repo>","imageIds":[{"imageDigest":"sha256:<hex:64>"}],"acceptedMediaTypes":["application/vnd.oci.image.manifest.v1+json","application/vnd.docker.distribution.manifest.v2+json"]}"#)
        .on(r#"{"accountId":"<account>","ARN":"arn:aws:ecr:<region>:<account>:repository/<repo>"}"#),
    read("GetDownloadUrlForLayer", 60).p(r#"{"registryId":"<account>","repositoryName":"<repo>","layerDigest":"sha256:<hex:64>"}"#)
        .on(r#"{"accountId":"<account>","ARN":"arn:aws:ecr:<region>:<account>:repository/<repo>"}"#),
    read("DescribeImages", 15).p(r#"{"repositoryName":"<repo>","imageIds":[{"imageTag":"<hex:7>"}]}"#)
        .fails("ImageNotFoundException", "The image with imageId tag <hex:7> does not exist within the repository '<repo>'", 150),
    write("PutImage", 8).by(Who::Pipeline).p(r#"{"registryId":"<account>","repositoryName":"<repo>","imageManifestMediaType":"application/vnd.oci.image.manifest.v1+json","imageTag":"<hex:7>","imageDigest":"sha256:<hex:64>"}"#)
        .r(r#"{"image":{"registryId":"<account>","repositoryName":"<repo>","imageId":{"imageDigest":"sha256:<hex:64>","imageTag":"<hex:7>"}}}"#),
];
