//! Where credentials for AWS come from.
//!
//! In: what an input's settings say, the environment, and the profiles of the AWS command line. Out: a
//! provider that renews them. Of what is found the first counts, as the AWS command line does it:
//!
//! 1. keys in the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`),
//! 2. a web identity (`AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`),
//! 3. a profile (`AWS_PROFILE`, else `default` where it exists),
//! 4. the container's role (ECS, EKS pod identity),
//! 5. the instance's role.
//!
//! A role in the settings is assumed with what these give.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, AwsCredentialProvider};
use object_store::{ClientOptions, StaticCredentialProvider};
use serde::Deserialize;

use super::aws::AwsService;
use super::profile::{Profiles, Step};
use super::settings::StoreSettings;
use super::sts::{Assuming, RoleProvider};

/// Where credentials are taken from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialSource {
    /// The first that is found.
    #[default]
    Auto,
    /// Keys in the environment.
    Environment,
    /// A profile of the AWS command line.
    Profile,
    /// A web identity's token.
    WebIdentity,
    /// The container's role.
    Container,
    /// The instance's role.
    Instance,
    /// None: requests are not signed, for buckets that anybody may read.
    None,
}

/// The environment, as a function, so that tests have their own.
pub type Environment<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// The process's environment; what is empty is not set.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The credentials; `None` for requests that are not signed.
    pub provider: Option<AwsCredentialProvider>,
    /// The region, where the settings, the environment or the profile name one.
    pub region: Option<String>,
}

/// What is asked while looking.
struct Search<'a> {
    settings: &'a StoreSettings,
    environment: Environment<'a>,
    options: &'a ClientOptions,
    region: Option<String>,
}

/// Finds credentials and region.
pub fn find(
    settings: &StoreSettings,
    environment: Environment<'_>,
    options: &ClientOptions,
) -> Result<Found, String> {
    let region = settings.region.clone();
    let region = region.or_else(|| environment("AWS_REGION")).or_else(|| environment("AWS_DEFAULT_REGION"));
    let mut search = Search { settings, environment, options, region };
    let provider = match search.base()? {
        Some(base) => Some(match &settings.role_arn {
            Some(role_arn) => search.role(
                Some(base),
                role_arn,
                &settings.session_name,
                Assuming::Role { external_id: settings.external_id.clone() },
            )?,
            None => base,
        }),
        None => None,
    };
    Ok(Found { provider, region: search.region })
}

impl Search<'_> {
    fn base(&mut self) -> Result<Option<AwsCredentialProvider>, String> {
        let get = self.environment;
        let missing = |what: &str| Err(format!("no credentials: {what}"));
        match self.settings.credentials {
            CredentialSource::None => Ok(None),
            CredentialSource::Environment => match self.keys()? {
                Some(found) => Ok(Some(found)),
                None => missing("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"),
            },
            CredentialSource::WebIdentity => match self.web_identity()? {
                Some(found) => Ok(Some(found)),
                None => missing("AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not set"),
            },
            CredentialSource::Profile => {
                let name = self.settings.profile.clone().or_else(|| get("AWS_PROFILE"));
                self.profile(name.as_deref().unwrap_or("default")).map(Some)
            }
            CredentialSource::Container => match self.container()? {
                Some(found) => Ok(Some(found)),
                None => missing("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set"),
            },
            CredentialSource::Instance => self.instance().map(Some),
            CredentialSource::Auto => self.first().map(Some),
        }
    }

    fn first(&mut self) -> Result<AwsCredentialProvider, String> {
        // a profile that the settings name is meant, whatever the environment has
        if let Some(name) = self.settings.profile.clone() {
            return self.profile(&name);
        }
        if let Some(found) = self.keys()? {
            return Ok(found);
        }
        if let Some(found) = self.web_identity()? {
            return Ok(found);
        }
        if let Some(name) = (self.environment)("AWS_PROFILE") {
            return self.profile(&name);
        }
        if self.profiles()?.has("default") {
            return self.profile("default");
        }
        match self.container()? {
            Some(found) => Ok(found),
            None => self.instance(),
        }
    }

    fn keys(&self) -> Result<Option<AwsCredentialProvider>, String> {
        let get = |name: &str| (self.environment)(name).map(|value| value.trim().to_owned());
        match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
            (Some(key_id), Some(secret_key)) => {
                let token = get("AWS_SESSION_TOKEN");
                fixed(AwsCredential { key_id, secret_key, token }).map(Some)
            }
            (None, None) => Ok(None),
            _ => Err("of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set".into()),
        }
    }

    fn web_identity(&self) -> Result<Option<AwsCredentialProvider>, String> {
        let get = self.environment;
        let (Some(token_file), Some(role)) = (get("AWS_WEB_IDENTITY_TOKEN_FILE"), get("AWS_ROLE_ARN")) else {
            return Ok(None);
        };
        let assuming = Assuming::WebIdentity { token_file: PathBuf::from(token_file) };
        self.role(None, &role, &get("AWS_ROLE_SESSION_NAME"), assuming).map(Some)
    }

    fn profiles(&self) -> Result<Profiles, String> {
        let home =
            (self.environment)("HOME").or_else(|| (self.environment)("USERPROFILE")).unwrap_or_default();
        let text = |said: Option<PathBuf>, variable: &str, name: &str| {
            let named = said.or_else(|| (self.environment)(variable).map(PathBuf::from));
            let path = named.clone().unwrap_or_else(|| PathBuf::from(&home).join(".aws").join(name));
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok(text),
                Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                    Ok(String::new())
                }
                Err(error) => Err(format!("{}: {error}", path.display())),
            }
        };
        let credentials =
            text(self.settings.profile_file.clone(), "AWS_SHARED_CREDENTIALS_FILE", "credentials")?;
        Ok(Profiles::parse(&credentials, &text(None, "AWS_CONFIG_FILE", "config")?))
    }

    fn profile(&mut self, name: &str) -> Result<AwsCredentialProvider, String> {
        let profile = self.profiles()?.profile(name)?;
        if self.region.is_none() {
            self.region = profile.region;
        }
        let mut current: Option<AwsCredentialProvider> = None;
        for step in profile.steps {
            current = Some(match step {
                Step::Keys { key_id, secret_key, token } => {
                    fixed(AwsCredential { key_id, secret_key, token })?
                }
                Step::Place(place) => self.place(&place)?,
                Step::WebIdentity { token_file, role_arn, session_name } => {
                    let assuming = Assuming::WebIdentity { token_file: PathBuf::from(token_file) };
                    self.role(None, &role_arn, &session_name, assuming)?
                }
                Step::Role { role_arn, external_id, session_name } => {
                    self.role(current.take(), &role_arn, &session_name, Assuming::Role { external_id })?
                }
            });
        }
        current.ok_or_else(|| format!("the AWS profile `{name}` leads to no credentials"))
    }

    fn place(&self, place: &str) -> Result<AwsCredentialProvider, String> {
        let found = match place {
            "Ec2InstanceMetadata" => Some(self.instance()?),
            "EcsContainer" => self.container()?,
            "Environment" => self.keys()?,
            _ => None,
        };
        found.ok_or_else(|| {
            format!("the credential_source `{place}` of an AWS profile gives no credentials here")
        })
    }

    fn role(
        &self,
        base: Option<AwsCredentialProvider>,
        role_arn: &str,
        session_name: &Option<String>,
        assuming: Assuming,
    ) -> Result<AwsCredentialProvider, String> {
        let region = self.region.as_deref().unwrap_or("us-east-1");
        let endpoint = self.settings.sts_endpoint.clone();
        let endpoint = endpoint.or_else(|| (self.environment)("AWS_ENDPOINT_URL_STS"));
        let endpoint = endpoint.or_else(|| (self.environment)("AWS_ENDPOINT_URL"));
        let endpoint = endpoint.unwrap_or_else(|| service_endpoint("sts", region));
        let service = AwsService::new("sts", &endpoint, region, base, self.options)?;
        Ok(Arc::new(RoleProvider::new(service, role_arn.to_owned(), session_name.clone(), assuming)))
    }

    fn container(&self) -> Result<Option<AwsCredentialProvider>, String> {
        let get = self.environment;
        let builder = AmazonS3Builder::new().with_bucket_name("credentials");
        let builder = match (
            get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
            get("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
            get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        ) {
            (Some(uri), ..) => builder.with_config(AmazonS3ConfigKey::ContainerCredentialsRelativeUri, uri),
            (None, Some(uri), Some(file)) => builder
                .with_config(AmazonS3ConfigKey::ContainerCredentialsFullUri, uri)
                .with_config(AmazonS3ConfigKey::ContainerAuthorizationTokenFile, file),
            _ => return Ok(None),
        };
        provider_of(builder).map(Some)
    }

    fn instance(&self) -> Result<AwsCredentialProvider, String> {
        let mut builder = AmazonS3Builder::new().with_bucket_name("credentials");
        if let Some(endpoint) = (self.environment)("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
            builder = builder.with_metadata_endpoint(endpoint.trim_end_matches('/'));
        }
        // where there is no instance, that should be said soon
        let retry = object_store::RetryConfig { max_retries: 2, ..object_store::RetryConfig::default() };
        provider_of(builder.with_retry(retry))
    }
}

/// The address of an AWS service in a region.
pub fn service_endpoint(service: &str, region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{domain}")
}

/// The provider that `object_store` itself would use.
fn provider_of(builder: AmazonS3Builder) -> Result<AwsCredentialProvider, String> {
    Ok(Arc::clone(builder.build().map_err(|error| error.to_string())?.credentials()))
}

fn fixed(credential: AwsCredential) -> Result<AwsCredentialProvider, String> {
    Ok(Arc::new(StaticCredentialProvider::new(checked(credential)?)))
}

/// Credentials that can stand in a header. What they are is not said: they are secret.
pub fn checked(credential: AwsCredential) -> Result<AwsCredential, String> {
    let fits = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    match fits(&credential.key_id) && credential.token.as_deref().is_none_or(fits) {
        true => Ok(credential),
        false => Err("the access key id or the session token holds characters that none of them has".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(settings: &StoreSettings, environment: &[(&str, &str)]) -> Result<Found, String> {
        let get = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        find(settings, &get, &ClientOptions::new())
    }

    fn settings(text: &str) -> StoreSettings {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_first_that_is_found_counts_and_its_kind_is_what_was_asked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials");
        std::fs::write(
            &file,
            "[audit]\naws_access_key_id = AKPROFILE\naws_secret_access_key = s\nregion = eu-west-3\n",
        )
        .unwrap();
        let (file, home) = (file.to_str().unwrap(), folder.path().to_str().unwrap());
        let keys = [("AWS_ACCESS_KEY_ID", "AKENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("HOME", home)];
        let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn:web"), ("HOME", home)];
        let profile = [("AWS_PROFILE", "audit"), ("AWS_SHARED_CREDENTIALS_FILE", file), ("HOME", home)];
        let pod = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"), ("HOME", home)];
        for (asked, environment, expected) in [
            ("{}", &keys[..], "AKENV"),
            ("{}", &web[..], "arn:web"),
            ("{}", &profile[..], "AKPROFILE"),
            ("{}", &pod[..], "TaskCredentialProvider"),
            ("{}", &[("HOME", home)][..], "InstanceCredentialProvider"),
            (r#"{"credentials":"instance"}"#, &keys[..], "InstanceCredentialProvider"),
            (r#"{"role_arn":"arn:role","external_id":"word"}"#, &keys[..], "arn:role"),
            (r#"{"credentials":"none"}"#, &keys[..], "None"),
        ] {
            let provider = format!("{:?}", found(&settings(asked), environment).unwrap().provider);
            assert!(provider.contains(expected), "{asked}: {provider}");
            assert!(!provider.contains("secret_key: \"s\""), "{provider}");
        }
        let region = found(&settings("{}"), &profile).unwrap().region;
        assert_eq!(region.as_deref(), Some("eu-west-3"));
    }

    #[test]
    fn what_was_asked_for_and_is_not_there_is_said() {
        for (asked, environment, said) in [
            (r#"{"credentials":"environment"}"#, &[][..], "AWS_ACCESS_KEY_ID"),
            (r#"{"credentials":"web_identity"}"#, &[], "AWS_WEB_IDENTITY_TOKEN_FILE"),
            (r#"{"credentials":"profile","profile":"x"}"#, &[("HOME", "/nowhere")], "no AWS profile `x`"),
            ("{}", &[("AWS_ACCESS_KEY_ID", "a")], "only one is set"),
            (
                "{}",
                &[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_SESSION_TOKEN", "a\nb")],
                "characters",
            ),
        ] {
            let error = found(&settings(asked), environment).unwrap_err();
            assert!(error.contains(said), "{asked}: {error}");
        }
    }
}
