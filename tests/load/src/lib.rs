//! The load client: people who walk through steps of HTTP requests, on a schedule that does not wait for the server.
//!
//! A [`plan::Plan`] says who sends what and when; [`driver::run`] carries it out on one thread over kept connections;
//! an [`outcome::Outcome`] tells what was served and how late, counted from when each request was meant to be sent.
//! A client that falls behind therefore shows in its own figures, and so does its share of a core.

pub mod clock;
mod connection;
pub mod driver;
pub mod frames;
mod http;
pub mod model;
pub mod outcome;
mod person;
pub mod plan;
mod rows;
mod template;
mod usage;
