//! The queue: messages received, kept while they are worked on, and deleted.
//!
//! In: the queue's address. Out: messages. Calls are those of SQS's JSON protocol, signed as all others.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::aws::{AwsService, ServiceError};
use super::ending::Ending;
use crate::limits::{MESSAGES_AT_ONCE, QUESTION_RETRIES, REQUEST_RETRIES};

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    service: AwsService,
    url: String,
    /// Whether the process is to end: no call waits long for an answer then.
    ending: Ending,
}

/// A message, as long as it is ours.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    /// Its id, the same when it comes again.
    pub message_id: String,
    /// What it is deleted with; another each time that it comes.
    pub receipt_handle: String,
    /// What it says.
    pub body: String,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Attributes {
    sent_timestamp: Option<String>,
    approximate_receive_count: Option<String>,
}

impl Message {
    /// When it was sent, microseconds since 1970.
    pub fn sent(&self) -> Option<i64> {
        self.attributes.sent_timestamp.as_deref()?.parse::<i64>().ok()?.checked_mul(1_000)
    }

    /// How often it has come.
    pub fn times(&self) -> u64 {
        let count = self.attributes.approximate_receive_count.as_deref();
        count.and_then(|count| count.parse().ok()).unwrap_or(1)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    id: String,
    receipt_handle: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility_timeout: Option<u32>,
}

impl Queue {
    /// A queue at its address.
    pub(super) fn new(service: AwsService, url: String, ending: Ending) -> Self {
        Self { service, url, ending }
    }

    async fn call(&self, action: &str, body: Value) -> Result<Bytes, ServiceError> {
        self.call_again(action, body, REQUEST_RETRIES).await
    }

    async fn call_again(&self, action: &str, mut body: Value, retries: usize) -> Result<Bytes, ServiceError> {
        body["QueueUrl"] = Value::from(self.url.as_str());
        let target = format!("AmazonSQS.{action}");
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
        let body = body.to_string();
        let answered = self.ending.patient(self.service.post_again(&headers, &body, retries)).await;
        answered.unwrap_or_else(|| Err(ServiceError::unanswered()))
    }

    /// Waits so many seconds for messages, and keeps them from others for so many.
    pub async fn receive(&self, wait: u32, visibility: u32) -> Result<Vec<Message>, ServiceError> {
        let names = ["SentTimestamp", "ApproximateReceiveCount"];
        let asked = json!({
            "MaxNumberOfMessages": MESSAGES_AT_ONCE, "WaitTimeSeconds": wait, "VisibilityTimeout": visibility,
            "MessageSystemAttributeNames": names, "AttributeNames": names,
        });
        let answer = self.call_again("ReceiveMessage", asked, QUESTION_RETRIES).await?;
        Ok(read::<Received>(&answer)?.messages)
    }

    /// Keeps messages from others for so many seconds more; 0 gives them back. Says for how many the queue
    /// refused it.
    pub async fn keep(&self, receipts: &[String], visibility: u32) -> Result<u64, ServiceError> {
        Ok(self.extend(receipts, visibility).await?.len() as u64)
    }

    /// The same, and says of which messages the queue refused it; `None` where it does not say of which.
    pub async fn extend(
        &self,
        receipts: &[String],
        visibility: u32,
    ) -> Result<Vec<Option<String>>, ServiceError> {
        self.batches("ChangeMessageVisibilityBatch", receipts, Some(visibility)).await
    }

    /// Deletes messages. Says for how many the queue refused it: their receipts are worth nothing any more.
    pub async fn delete(&self, receipts: &[String]) -> Result<u64, ServiceError> {
        Ok(self.batches("DeleteMessageBatch", receipts, None).await?.len() as u64)
    }

    async fn batches(
        &self,
        action: &str,
        receipts: &[String],
        visibility: Option<u32>,
    ) -> Result<Vec<Option<String>>, ServiceError> {
        let mut refused = Vec::new();
        for batch in receipts.chunks(MESSAGES_AT_ONCE) {
            let entries = batch.iter().enumerate().map(|(number, receipt)| Entry {
                id: number.to_string(),
                receipt_handle: receipt,
                visibility_timeout: visibility,
            });
            let entries: Vec<Entry<'_>> = entries.collect();
            let answer = self.call(action, json!({ "Entries": entries })).await?;
            refused.extend(refused_of(&read(&answer)?, batch));
        }
        Ok(refused)
    }

    /// About how many messages there are, those in somebody's hands included.
    pub async fn count(&self) -> Result<u64, ServiceError> {
        let names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ];
        let asked = json!({ "AttributeNames": names });
        let answer = self.call_again("GetQueueAttributes", asked, QUESTION_RETRIES).await?;
        let answer: Value = read(&answer)?;
        let count =
            |name: &&str| answer["Attributes"][*name].as_str().and_then(|text| text.parse::<u64>().ok());
        Ok(names.iter().filter_map(count).sum())
    }
}

/// Those of a batch that the answer says were refused; they are known by their place in it. One that is none of the batch
/// was refused all the same.
fn refused_of(answer: &Value, batch: &[String]) -> Vec<Option<String>> {
    let failed = answer.get("Failed").and_then(Value::as_array).into_iter().flatten();
    let receipt = |failed: &Value| {
        let place = failed.get("Id").and_then(Value::as_str).and_then(|id| id.parse::<usize>().ok());
        batch.get(place?).cloned()
    };
    failed.map(receipt).collect()
}

fn read<T: for<'de> Deserialize<'de>>(answer: &[u8]) -> Result<T, ServiceError> {
    // some calls answer nothing
    let answer = if answer.is_empty() { b"{}" } else { answer };
    let failed = |error: serde_json::Error| ServiceError {
        status: None,
        message: format!("an answer that is none: {error}"),
    };
    serde_json::from_slice(answer).map_err(failed)
}

/// The region in a queue's address: `https://sqs.eu-west-1.amazonaws.com/…`.
pub fn region_of(url: &str) -> Option<String> {
    let host = url.split("://").nth(1)?.split('/').next()?;
    let region = host.strip_prefix("sqs.")?.split('.').next()?;
    host.contains(".amazonaws.").then(|| region.to_owned())
}

/// The endpoint of a queue's address: what stands before its path.
pub fn endpoint_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    Some(format!("{scheme}://{host}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_of_a_batch_is_known_by_its_place() {
        let batch = ["a", "b", "c"].map(str::to_owned);
        for (answer, expected) in [
            (r#"{}"#, vec![]),
            (r#"{"Successful":[{"Id":"0"}],"Failed":[]}"#, vec![]),
            (r#"{"Failed":[{"Id":"2","Code":"X"},{"Id":"0"}]}"#, vec![Some("c"), Some("a")]),
            (r#"{"Failed":[{"Id":"7"},{"Id":"x"},{}]}"#, vec![None, None, None]),
        ] {
            let refused = refused_of(&serde_json::from_str(answer).unwrap(), &batch);
            let refused: Vec<Option<&str>> = refused.iter().map(Option::as_deref).collect();
            assert_eq!(refused, expected, "{answer}");
        }
    }

    #[test]
    fn a_queues_address_tells_its_endpoint_and_region() {
        let url = "https://sqs.eu-west-1.amazonaws.com/111122223333/virga";
        assert_eq!(region_of(url).as_deref(), Some("eu-west-1"));
        assert_eq!(endpoint_of(url).as_deref(), Some("https://sqs.eu-west-1.amazonaws.com/"));
        assert_eq!(region_of("http://127.0.0.1:5000/1/q"), None);
        assert_eq!(endpoint_of("http://127.0.0.1:5000/1/q").as_deref(), Some("http://127.0.0.1:5000/"));
        assert_eq!(endpoint_of("virga"), None);
    }
}
