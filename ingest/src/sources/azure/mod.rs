//! What the logs of Azure share: resource ids, the claims of a token, bodies of requests.
//!
//! In: texts that stand in fields of Azure logs. Out: what they mean. Azure compares the parts of a
//! resource id, user names and ids of principals without regard to case, and writes them now so and now
//! so (an event hub gets them in capitals, the REST interface as they were typed); here they are lower
//! case, or one thing would be several to whoever groups by it.

pub(in crate::sources) mod body;
pub(in crate::sources) mod claims;
pub(in crate::sources) mod resource;
pub(in crate::sources) mod status;
