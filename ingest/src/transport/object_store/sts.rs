//! Roles assumed through AWS's Security Token Service.
//!
//! In: a role, the external id that its owner asks for, and the credentials or the web identity's token that
//! may assume it. Out: temporary credentials, fetched again before they run out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::aws::{AwsService, ServiceError};

/// Credentials are fetched again this long before they run out: a request may be repeated for three minutes.
const BEFORE_THE_END: Duration = Duration::from_secs(5 * 60);

/// How a role is assumed.
#[derive(Debug, Clone)]
pub enum Assuming {
    /// By the credentials that sign the call.
    Role {
        /// The secret that the role's owner asks for.
        external_id: Option<String>,
    },
    /// By a token in a file, which others renew.
    WebIdentity {
        /// The file.
        token_file: PathBuf,
    },
}

/// Credentials of an assumed role.
#[derive(Debug)]
pub struct RoleProvider {
    service: AwsService,
    role_arn: String,
    session_name: String,
    assuming: Assuming,
    current: Mutex<Option<(Arc<AwsCredential>, Instant)>>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "AssumeRoleResult", alias = "AssumeRoleWithWebIdentityResult")]
    result: AnswerResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AnswerResult {
    credentials: AnswerCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AnswerCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: DateTime<Utc>,
}

impl RoleProvider {
    /// Credentials of this role, fetched when they are first asked for.
    pub fn new(
        service: AwsService,
        role_arn: String,
        session_name: Option<String>,
        assuming: Assuming,
    ) -> Self {
        let session_name = session_name.unwrap_or_else(|| "virga".to_owned());
        Self { service, role_arn, session_name, assuming, current: Mutex::new(None) }
    }

    async fn fetch(&self) -> Result<(Arc<AwsCredential>, Instant), ServiceError> {
        let mut form = vec![
            ("Version", "2011-06-15".to_owned()),
            ("RoleArn", self.role_arn.clone()),
            ("RoleSessionName", self.session_name.clone()),
        ];
        match &self.assuming {
            Assuming::Role { external_id } => {
                form.push(("Action", "AssumeRole".to_owned()));
                form.extend(external_id.clone().map(|id| ("ExternalId", id)));
            }
            Assuming::WebIdentity { token_file } => {
                let token = tokio::fs::read_to_string(token_file)
                    .await
                    .map_err(|error| unusable(format!("{}: {error}", token_file.display())))?;
                form.push(("Action", "AssumeRoleWithWebIdentity".to_owned()));
                form.push(("WebIdentityToken", token.trim().to_owned()));
            }
        }
        let pairs = form
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        let body = pairs.collect::<Vec<_>>().join("&");
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let answer = self.service.post(&headers, &body).await?;
        read(&answer).map_err(unusable)
    }
}

/// What is no word of the service.
fn unusable(message: String) -> ServiceError {
    ServiceError { status: None, message }
}

fn read(answer: &[u8]) -> Result<(Arc<AwsCredential>, Instant), String> {
    let text = std::str::from_utf8(answer).map_err(|error| error.to_string())?;
    let answer: Answer =
        quick_xml::de::from_str(text).map_err(|error| format!("an answer that is none: {error}"))?;
    let given = answer.result.credentials;
    let lasts = (given.expiration - Utc::now()).to_std().unwrap_or_default();
    let credential = super::credentials::checked(AwsCredential {
        key_id: given.access_key_id,
        secret_key: given.secret_access_key,
        token: Some(given.session_token),
    })?;
    Ok((Arc::new(credential), Instant::now() + lasts.saturating_sub(BEFORE_THE_END)))
}

#[async_trait::async_trait]
impl CredentialProvider for RoleProvider {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut current = self.current.lock().await;
        if let Some((credential, until)) = current.as_ref()
            && Instant::now() < *until
        {
            return Ok(Arc::clone(credential));
        }
        let fetched = self.fetch().await.map_err(|error| {
            let source = format!("cannot assume {}: {error}", self.role_arn).into();
            match error.is_passing() {
                true => object_store::Error::Generic { store: "STS", source },
                false => object_store::Error::Unauthenticated { path: self.role_arn.clone(), source },
            }
        })?;
        let credential = Arc::clone(&fetched.0);
        *current = Some(fetched);
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_answers_of_sts_are_read() {
        for action in ["AssumeRole", "AssumeRoleWithWebIdentity"] {
            let answer = format!(
                "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
                 <AssumedRoleUser><Arn>a</Arn></AssumedRoleUser><Credentials><SessionToken>t+/=</SessionToken>\
                 <SecretAccessKey>s</SecretAccessKey><Expiration>2999-01-01T00:00:00Z</Expiration>\
                 <AccessKeyId>ASIA</AccessKeyId></Credentials></{action}Result>\
                 <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
            );
            let (credential, until) = read(answer.as_bytes()).unwrap();
            assert_eq!((credential.key_id.as_str(), credential.token.as_deref()), ("ASIA", Some("t+/=")));
            assert!(until > Instant::now() + Duration::from_secs(3600));
        }
        assert!(read(b"<html>").is_err());
    }
}
