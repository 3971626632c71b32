//! Rules and events in, alerts out.
pub mod event;
pub mod json;
