//! Who is let in: what policies, shares and ACLs of a request grant, and to whom.

use super::*;

/// The three columns of grants of a request, in account 123456789012.
fn granted(source: &str, name: &str, request: &str) -> [String; 3] {
    let event = format!(
        r#"{{"eventSource":"{source}.amazonaws.com","eventName":"{name}","recipientAccountId":"123456789012","requestParameters":{request}}}"#
    );
    ["grants", "grants_public", "grants_external"].map(|name| column(&event, name))
}

fn quoted(document: &str) -> String {
    serde_json::Value::from(document).to_string()
}

#[test]
fn a_policy_grants_what_it_allows() {
    let everyone = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}]}"#;
    let public = [r#"["ADD|*|s3:GetObject"]"#, "true", "true"];
    assert_eq!(
        granted(
            "s3",
            "PutBucketPolicy",
            &format!(r#"{{"bucketName":"b","policy":"","bucketPolicy":{everyone}}}"#)
        ),
        public
    );
    assert_eq!(
        granted("s3", "PutBucketPolicy", &format!(r#"{{"bucketPolicy":{}}}"#, quoted(everyone))),
        public
    );
    let encoded = everyone.replace('{', "%7B").replace('"', "%22").replace('}', "%7D");
    assert_eq!(granted("kms", "PutKeyPolicy", &format!(r#"{{"policy":{}}}"#, quoted(&encoded))), public);
    assert_eq!(
        granted(
            "ecr",
            "SetRepositoryPolicy",
            &format!(r#"{{"policyText":{}}}"#, quoted(&format!(" {everyone}\n")))
        ),
        public
    );

    let trust = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::210987654321:root","123456789012"],"Service":"ec2.amazonaws.com"},"Action":["sts:AssumeRole"]}}"#;
    assert_eq!(
        granted(
            "iam",
            "UpdateAssumeRolePolicy",
            &format!(r#"{{"roleName":"r","policyDocument":{}}}"#, quoted(trust))
        ),
        [
            r#"["ADD|arn:aws:iam::210987654321:root|sts:AssumeRole","ADD|123456789012|sts:AssumeRole","ADD|ec2.amazonaws.com|sts:AssumeRole"]"#,
            "false",
            "true"
        ]
    );
    let own = r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*"}]}"#;
    assert_eq!(
        granted("iam", "CreateRole", &format!(r#"{{"assumeRolePolicyDocument":{}}}"#, quoted(own))),
        [r#"["ADD|arn:aws:iam::123456789012:root|kms:*"]"#, "false", "false"]
    );
    let all_but = r#"{"Statement":[{"Effect":"Allow","NotPrincipal":{"AWS":"1"},"NotAction":"iam:*"}]}"#;
    assert_eq!(
        granted("sqs", "SetQueueAttributes", &format!(r#"{{"policy":{}}}"#, quoted(all_but))),
        [r#"["ADD|*|!iam:*"]"#, "true", "true"]
    );
}

#[test]
fn a_policy_of_an_identity_grants_to_that_identity() {
    let policy = quoted(r#"{"Statement":[{"Effect":"Allow","Action":["s3:*","iam:*"],"Resource":"*"}]}"#);
    assert_eq!(
        granted(
            "iam",
            "PutUserPolicy",
            &format!(r#"{{"userName":"bot","policyName":"p","policyDocument":{policy}}}"#)
        ),
        [r#"["ADD|user/bot|s3:*","ADD|user/bot|iam:*"]"#, "false", "false"]
    );
    assert_eq!(
        granted("iam", "CreatePolicy", &format!(r#"{{"policyName":"p","policyDocument":{policy}}}"#))[0],
        r#"["ADD|policy/p|s3:*","ADD|policy/p|iam:*"]"#
    );
    assert_eq!(
        granted(
            "iam",
            "AttachRolePolicy",
            r#"{"roleName":"web","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}"#
        ),
        [r#"["ADD|role/web|arn:aws:iam::aws:policy/AdministratorAccess"]"#, "false", "false"]
    );
}

#[test]
fn what_grants_nothing_has_no_grants() {
    for (name, request) in [
        ("PutBucketPolicy", r#"{"policy":"","bucketPolicy":{}}"#.to_owned()),
        (
            "PutBucketPolicy",
            format!(
                r#"{{"policy":{}}}"#,
                quoted(r#"{"Statement":[{"Effect":"Deny","Principal":"*","Action":"*"}]}"#)
            ),
        ),
        ("PutBucketPolicy", r#"{"policy":"{broken"}"#.to_owned()),
        ("DetachRolePolicy", r#"{"roleName":"web","policyArn":"arn:x"}"#.to_owned()),
        (
            "ModifySnapshotAttribute",
            r#"{"createVolumePermission":{"remove":{"items":[{"group":"all"}]}}}"#.to_owned(),
        ),
        ("PutBucketAcl", r#"{"x-amz-acl":["private"]}"#.to_owned()),
        ("RunInstances", r#"{"instanceType":"m"}"#.to_owned()),
        ("CreateUser", "null".to_owned()),
        ("CreateUser", r#""text about policy""#.to_owned()),
    ] {
        assert_eq!(granted("x", name, &request), ["-", "-", "-"], "{name} {request}");
    }
    let read_only = r#"{"readOnly":true,"requestParameters":{"policy":{"Statement":{"Effect":"Allow","Principal":"*","Action":"*"}}}}"#;
    assert_eq!(column(read_only, "grants"), "-");
}

#[test]
fn a_condition_may_narrow_what_is_everyones() {
    let with = |condition: &str| {
        let policy = format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"AWS":"*"}},"Action":"s3:*","Condition":{condition}}}]}}"#
        );
        granted("s3", "PutBucketPolicy", &format!(r#"{{"bucketPolicy":{policy}}}"#))[1].clone()
    };
    for narrow in [
        r#"{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#,
        r#"{"ForAnyValue:StringLike":{"AWS:PrincipalArn":["arn:aws:iam::123456789012:role/*"]}}"#,
        r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#,
        r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:::x"}}"#,
        r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:*:photos"}}"#,
        r#"{"ForAllValues:StringLike":{"aws:PrincipalOrgPaths":"o-a1/r-1/*"},"Null":{"AWS:PrincipalOrgPaths":"false"}}"#,
        r#"{"Bool":{"elasticfilesystem:AccessedViaMountTarget":"true"}}"#,
        r#"{"Bool":{"aws:PrincipalIsAWSService":true}}"#,
    ] {
        assert_eq!(with(narrow), "false", "{narrow}");
    }
    for wide in [
        r#"{"StringNotEquals":{"aws:PrincipalOrgID":"o-1"}}"#,
        r#"{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-1"}}"#,
        r#"{"ForAllValues:StringLike":{"aws:PrincipalOrgPaths":"o-a1/r-1/*"}}"#,
        r#"{"ForAllValues:StringEquals":{"aws:PrincipalOrgID":"o-1"},"Null":{"aws:PrincipalArn":false}}"#,
        r#"{"ForAllValues:StringEquals":{"aws:PrincipalOrgID":"o-1"},"Null":{"aws:PrincipalOrgID":true}}"#,
        r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:*:photos-*"}}"#,
        r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:photos"}}"#,
        r#"{"StringLike":{"aws:PrincipalArn":"*"}}"#,
        r#"{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}}"#,
        r#"{"StringEquals":{"aws:PrincipalOrgID":"${aws:ResourceOrgID}"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":["0.0.0.0/1","128.0.0.0/1"]}}"#,
        r#"{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","0.0.0.0/0"]}}"#,
        r#"{"Bool":{"aws:SecureTransport":"true"}}"#,
        r#"{"Bool":{"elasticfilesystem:AccessedViaMountTarget":"false"}}"#,
        r#"{"BoolIfExists":{"aws:PrincipalIsAWSService":"true"}}"#,
        r#"{"StringEquals":{"s3:x-amz-acl":"private"}}"#,
        "{}",
    ] {
        assert_eq!(with(wide), "true", "{wide}");
    }
}

#[test]
fn shares_acls_and_permissions_are_grants() {
    for (source, name, request, expected) in [
        (
            "ec2",
            "ModifySnapshotAttribute",
            r#"{"snapshotId":"snap-1","createVolumePermission":{"add":{"items":[{"group":"all"}]}}}"#,
            [r#"["ADD|*|createVolumePermission"]"#, "true", "true"],
        ),
        (
            "ec2",
            "ModifyImageAttribute",
            r#"{"launchPermission":{"add":{"items":[{"userId":"210987654321"},{"organizationArn":"arn:o"}]}}}"#,
            [r#"["ADD|210987654321|launchPermission","ADD|arn:o|launchPermission"]"#, "false", "true"],
        ),
        (
            "ec2",
            "ModifySnapshotAttribute",
            r#"{"createVolumePermission":{"add":{"items":[{"userId":"123456789012"}]}}}"#,
            [r#"["ADD|123456789012|createVolumePermission"]"#, "false", "false"],
        ),
        (
            "rds",
            "ModifyDBSnapshotAttribute",
            r#"{"attributeName":"restore","valuesToAdd":["all","210987654321"]}"#,
            [r#"["ADD|*|restore","ADD|210987654321|restore"]"#, "true", "true"],
        ),
        (
            "s3",
            "PutBucketAcl",
            r#"{"bucketName":"b","AccessControlPolicy":{"AccessControlList":{"Grant":[{"Grantee":{"URI":"http://acs.amazonaws.com/groups/global/AllUsers"},"Permission":"READ"},{"Grantee":{"ID":"abc"},"Permission":"FULL_CONTROL"}]}}}"#,
            [r#"["ADD|*|READ","ADD|abc|FULL_CONTROL"]"#, "true", "true"],
        ),
        (
            "s3",
            "PutBucketAcl",
            r#"{"AccessControlPolicy":{"AccessControlList":{"Grant":{"Grantee":{"URI":"http://acs.amazonaws.com/groups/global/AuthenticatedUsers"},"Permission":"WRITE"}}}}"#,
            [r#"["ADD|AuthenticatedUsers|WRITE"]"#, "true", "true"],
        ),
        (
            "s3",
            "PutBucketAcl",
            r#"{"x-amz-acl":["public-read-write"]}"#,
            [r#"["ADD|*|READ","ADD|*|WRITE"]"#, "true", "true"],
        ),
        (
            "s3",
            "PutObjectAcl",
            r#"{"x-amz-grant-read-acp":"uri=\"http://acs.amazonaws.com/groups/global/AllUsers\""}"#,
            [r#"["ADD|*|READ_ACP"]"#, "true", "true"],
        ),
        (
            "s3",
            "PutBucketAcl",
            r#"{"bucketName":"b","AccessControlList":{"x-amz-grant-read":"uri=http://acs.amazonaws.com/groups/global/AllUsers"}}"#,
            [r#"["ADD|*|READ"]"#, "true", "true"],
        ),
        (
            "lambda",
            "AddPermission20150331v2",
            r#"{"functionName":"f","principal":"*","action":"lambda:InvokeFunction"}"#,
            [r#"["ADD|*|lambda:InvokeFunction"]"#, "true", "true"],
        ),
        (
            "lambda",
            "AddPermission20150331v2",
            r#"{"principal":"*","action":"lambda:InvokeFunction","principalOrgID":"o-1"}"#,
            [r#"["ADD|*|lambda:InvokeFunction"]"#, "false", "false"],
        ),
        (
            "lambda",
            "AddPermission20150331v2",
            r#"{"principal":"210987654321","action":"lambda:InvokeFunction"}"#,
            [r#"["ADD|210987654321|lambda:InvokeFunction"]"#, "false", "true"],
        ),
        (
            "lambda",
            "AddPermission20150331v2",
            r#"{"principal":"events.amazonaws.com","action":"lambda:InvokeFunction"}"#,
            [r#"["ADD|events.amazonaws.com|lambda:InvokeFunction"]"#, "false", "false"],
        ),
        (
            "sns",
            "AddPermission",
            r#"{"aWSAccountId":["210987654321"],"actionName":["Publish"]}"#,
            [r#"["ADD|210987654321|Publish"]"#, "false", "true"],
        ),
        (
            "kms",
            "CreateGrant",
            r#"{"granteePrincipal":"arn:aws:iam::210987654321:role/x","operations":["Decrypt"]}"#,
            [r#"["ADD|arn:aws:iam::210987654321:role/x|kms:Decrypt"]"#, "false", "true"],
        ),
    ] {
        assert_eq!(granted(source, name, request), expected, "{name} {request}");
    }
}

/// Policies that do not stand in a parameter of their own, and shares without a policy.
#[test]
fn what_lets_others_in_is_found_where_each_service_puts_it() {
    let policy = |principal: &str| {
        format!(r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"a"}}]}}"#)
    };
    let written = |principal: &str| quoted(&policy(principal));
    let stranger = r#"{"AWS":"arn:aws:iam::210987654321:root"}"#;
    let one = |who: &str, what: &str| format!(r#"["ADD|{who}|{what}"]"#);
    let root = one("arn:aws:iam::210987654321:root", "a");
    for (source, name, request, grants, public, external) in [
        (
            "sqs",
            "SetQueueAttributes",
            format!(r#"{{"queueUrl":"q","attributes":{{"Policy":{}}}}}"#, written(stranger)),
            root.clone(),
            "false",
            "true",
        ),
        (
            "sns",
            "CreateTopic",
            format!(r#"{{"name":"t","attributes":{{"Policy":{}}}}}"#, written("\"*\"")),
            one("*", "a"),
            "true",
            "true",
        ),
        (
            "sns",
            "SetTopicAttributes",
            format!(r#"{{"attributeName":"Policy","attributeValue":{}}}"#, written(stranger)),
            root.clone(),
            "false",
            "true",
        ),
        (
            "sns",
            "SetTopicAttributes",
            format!(r#"{{"attributeName":"DeliveryPolicy","attributeValue":{}}}"#, written(stranger)),
            "-".to_owned(),
            "-",
            "-",
        ),
        (
            "es",
            "UpdateDomainConfig",
            format!(r#"{{"domainName":"d","accessPolicies":{}}}"#, written(stranger)),
            root.clone(),
            "false",
            "true",
        ),
        (
            "s3",
            "PutMultiRegionAccessPointPolicy",
            format!(r#"{{"details":{{"name":"m","policy":{}}}}}"#, written(stranger)),
            root.clone(),
            "false",
            "true",
        ),
        (
            "glue",
            "PutResourcePolicy",
            format!(r#"{{"policyInJson":{}}}"#, written(stranger)),
            root.clone(),
            "false",
            "true",
        ),
        (
            "glacier",
            "SetVaultAccessPolicy",
            format!(r#"{{"vaultName":"v","policy":{{"policy":{}}}}}"#, written(stranger)),
            root.clone(),
            "false",
            "true",
        ),
        (
            "ram",
            "AssociateResourceShare",
            r#"{"resourceShareArn":"r","principals":["210987654321","arn:aws:iam::123456789012:role/x"]}"#
                .to_owned(),
            r#"["ADD|210987654321|ram:share","ADD|arn:aws:iam::123456789012:role/x|ram:share"]"#.to_owned(),
            "false",
            "true",
        ),
        (
            "ram",
            "DisassociateResourceShare",
            r#"{"resourceShareArn":"r","principals":["210987654321"]}"#.to_owned(),
            "-".to_owned(),
            "-",
            "-",
        ),
        (
            "redshift",
            "AuthorizeSnapshotAccess",
            r#"{"snapshotIdentifier":"s","accountWithRestoreAccess":"210987654321"}"#.to_owned(),
            one("210987654321", "restore"),
            "false",
            "true",
        ),
        (
            "redshift",
            "RevokeSnapshotAccess",
            r#"{"snapshotIdentifier":"s","accountWithRestoreAccess":"210987654321"}"#.to_owned(),
            "-".to_owned(),
            "-",
            "-",
        ),
        (
            "redshift",
            "AuthorizeDataShare",
            r#"{"dataShareArn":"d","consumerIdentifier":"123456789012"}"#.to_owned(),
            one("123456789012", "datashare"),
            "false",
            "false",
        ),
        (
            "ssm",
            "ModifyDocumentPermission",
            r#"{"name":"d","permissionType":"Share","accountIdsToAdd":["all"]}"#.to_owned(),
            one("*", "share"),
            "true",
            "true",
        ),
        (
            "logs",
            "PutSubscriptionFilter",
            r#"{"logGroupName":"g","destinationArn":"arn:aws:logs:us-east-1:210987654321:destination:d"}"#
                .to_owned(),
            one("arn:aws:logs:us-east-1:210987654321:destination:d", "logs:subscribe"),
            "false",
            "true",
        ),
        (
            "lakeformation",
            "GrantPermissions",
            r#"{"principal":{"dataLakePrincipalIdentifier":"210987654321"},"permissions":["SELECT"]}"#
                .to_owned(),
            one("210987654321", "SELECT"),
            "false",
            "true",
        ),
        (
            "ecr",
            "PutReplicationConfiguration",
            r#"{"replicationConfiguration":{"rules":[{"destinations":[{"region":"r","registryId":"210987654321"}]}]}}"#
                .to_owned(),
            one("210987654321", "ecr:ReplicateImage"),
            "false",
            "true",
        ),
    ] {
        let expected = [grants, public.to_owned(), external.to_owned()];
        assert_eq!(granted(source, name, &request), expected, "{name} {request}");
    }
}

#[test]
fn an_account_is_external_only_to_a_known_one() {
    let request = r#""requestParameters":{"launchPermission":{"add":{"items":[{"userId":"210987654321"}]}}}"#;
    check(&[
        (&format!("{{{request}}}"), "grants_external", "-"),
        (
            &format!(r#"{{"userIdentity":{{"accountId":"210987654321"}},{request}}}"#),
            "grants_external",
            "false",
        ),
    ]);
}

#[test]
fn grants_have_an_end_and_their_flags_do_not() {
    let principals: Vec<String> =
        (0..400).map(|i| format!(r#""arn:aws:iam::123456789012:user/u{i}""#)).collect();
    let policy = format!(
        r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"AWS":[{}]}},"Action":"a"}},{{"Effect":"Allow","Principal":"*","Action":"a"}}]}}"#,
        principals.join(",")
    );
    let [grants, public, _] = granted("s3", "PutBucketPolicy", &format!(r#"{{"bucketPolicy":{policy}}}"#));
    assert_eq!(grants.matches("ADD|").count(), crate::limits::MAX_GRANTS);
    assert_eq!(public, "true");
}

#[test]
fn an_account_of_ones_own_is_no_stranger() {
    let event = r#"{"recipientAccountId":"111122223333","eventSource":"ec2.amazonaws.com","eventName":"ModifySnapshotAttribute",
        "requestParameters":{"snapshotId":"s","createVolumePermission":{"add":{"items":[{"userId":"444455556666"}]}}}}"#;
    for (own, external) in [(vec![], true), (vec!["444455556666".to_owned()], false)] {
        let environment = crate::environment::Environment { own_accounts: own, ..Default::default() };
        let describer = Describer::new(&SOURCE, &Arc::new(environment));
        assert_eq!(describer.value(event, "grants_external"), Some(ColumnValue::Bool(external)));
    }
}

/// What is everyone's but for a condition is whose the condition says. The event is of 111122223333.
#[test]
fn a_condition_that_names_a_stranger_lets_a_stranger_in() {
    let outside = |own: &[&str], source: &str, name: &str, request: &str| {
        let event = format!(
            r#"{{"recipientAccountId":"111122223333","eventSource":"{source}.amazonaws.com","eventName":"{name}","requestParameters":{request}}}"#
        );
        let own_accounts = own.iter().map(|own| (*own).to_owned()).collect();
        let environment = crate::environment::Environment { own_accounts, ..Default::default() };
        let describer = Describer::new(&SOURCE, &Arc::new(environment));
        let value = |column| describer.value(&event, column);
        assert_eq!(value("grants_public"), Some(ColumnValue::Bool(false)), "{request}");
        value("grants_external") == Some(ColumnValue::Bool(true))
    };
    let strange = r#""StringEquals":{"aws:PrincipalAccount":"999988887777"}"#;
    for (own, condition, external) in [
        (&[][..], r#"{"StringEquals":{"aws:PrincipalAccount":"999988887777"}}"#, true),
        (&[], r#"{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}"#, false),
        (&["999988887777"], r#"{"StringEquals":{"aws:PrincipalAccount":"999988887777"}}"#, false),
        (&[], r#"{"StringEquals":{"aws:PrincipalAccount":["111122223333","999988887777"]}}"#, true),
        (&[], r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::999988887777:role/*"}}"#, true),
        (&[], r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:eu-west-1:999988887777:t"}}"#, true),
        (&[], r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::bucket"}}"#, false),
        // all conditions hold at once
        (
            &[],
            r#"{"StringEquals":{"aws:PrincipalAccount":"999988887777","aws:SourceAccount":"111122223333"}}"#,
            false,
        ),
        // a network, or an organisation of which nobody knows whose it is, makes a stranger no friend
        (&[], &format!(r#"{{{strange},"IpAddress":{{"aws:SourceIp":"198.51.100.7/32"}}}}"#), true),
        (&[], &format!(r#"{{{strange},"StringLike":{{"aws:PrincipalOrgID":"o-strange1"}}}}"#), true),
        (&["o-own1"], &format!(r#"{{{strange},"StringLike":{{"aws:PrincipalOrgID":"o-own1"}}}}"#), false),
        (&[], r#"{"StringEquals":{"aws:PrincipalOrgID":"o-strange1"}}"#, false),
        (&["o-own1"], r#"{"StringEquals":{"aws:PrincipalOrgID":"o-strange1"}}"#, true),
        (&["o-own1"], r#"{"StringEquals":{"aws:PrincipalOrgID":"o-own1"}}"#, false),
        (&["o-own1"], r#"{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-strange1/r-1/*"}}"#, true),
        (&[], r#"{"IpAddress":{"aws:SourceIp":"198.51.100.7/32"}}"#, false),
        (&[], r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#, false),
    ] {
        let policy = format!(
            r#"{{"bucketPolicy":{{"Statement":{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Condition":{condition}}}}}}}"#
        );
        assert_eq!(outside(own, "s3", "PutBucketPolicy", &policy), external, "{own:?} {condition}");
    }
    for (own, source, name, request, external) in [
        (
            &[][..],
            "lambda",
            "AddPermission20150331v2",
            r#"{"principal":"*","action":"a","sourceAccount":"999988887777"}"#,
            true,
        ),
        (
            &[],
            "lambda",
            "AddPermission20150331v2",
            r#"{"principal":"*","action":"a","sourceAccount":"111122223333"}"#,
            false,
        ),
        (
            &["o-own1"],
            "lambda",
            "AddPermission20150331v2",
            r#"{"principal":"*","action":"a","principalOrgID":"o-strange1"}"#,
            true,
        ),
        (
            &[],
            "ec2",
            "ModifyImageAttribute",
            r#"{"launchPermission":{"add":{"items":[{"organizationArn":"arn:aws:organizations::999988887777:organization/o-strange1"}]}}}"#,
            true,
        ),
        (
            &["o-own1"],
            "ec2",
            "ModifyImageAttribute",
            r#"{"launchPermission":{"add":{"items":[{"organizationalUnitArn":"arn:aws:organizations::999988887777:ou/o-own1/ou-1"}]}}}"#,
            false,
        ),
        // load balancers write their logs as AWS's own accounts
        (
            &[],
            "s3",
            "PutBucketPolicy",
            r#"{"bucketPolicy":{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::054676820928:root"},"Action":"s3:PutObject"}}}"#,
            false,
        ),
        (&[], "s3", "PutBucketAcl", &acl("abc", "abc"), false),
        (&[], "s3", "PutBucketAcl", &acl(&"a".repeat(64), &"b".repeat(64)), true),
        (
            &[],
            "s3",
            "PutBucketAcl",
            &acl(&"a".repeat(64), "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0"),
            false,
        ),
    ] {
        assert_eq!(outside(own, source, name, request), external, "{own:?} {request}");
    }
}

/// An ACL of a bucket of one canonical user, by which another may read.
fn acl(owner: &str, reader: &str) -> String {
    format!(
        r#"{{"AccessControlPolicy":{{"Owner":{{"ID":"{owner}"}},"AccessControlList":{{"Grant":[{{"Grantee":{{"ID":"{owner}"}},"Permission":"FULL_CONTROL"}},{{"Grantee":{{"ID":"{reader}"}},"Permission":"READ"}}]}}}}}}"#
    )
}
