//! Backtests at the command line, over archives of real and of made events.
#![cfg(feature = "lake")]

mod changes;
mod lab;
mod labels;
mod report;
mod same;
