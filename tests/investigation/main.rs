//! Investigation as its users meet it: SQL on the command line and over PostgreSQL's protocol, timelines, the
//! ready queries of the documentation, on archives of the stories that ship and of real logs.
#![cfg(feature = "lake")]

mod lake;
mod postgres;
mod queries;
mod query;
mod timeline;
