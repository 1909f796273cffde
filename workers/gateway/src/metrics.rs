//! Counters of one isolate, as Prometheus text. Every label comes from a fixed list, so their number is bounded.

use std::{collections::BTreeMap, fmt::Write};

/// Upper bounds of the histogram buckets, in milliseconds.
const BOUNDS_MS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/// How long something took, counted by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Histogram {
    /// Per bound, not cumulative; the last is beyond all bounds.
    counts: [u64; BOUNDS_MS.len() + 1],
    sum_ms: u64,
}

impl Histogram {
    fn observe(&mut self, span_ms: u64) {
        self.counts[BOUNDS_MS.partition_point(|bound| *bound < span_ms)] += 1;
        self.sum_ms += span_ms;
    }

    fn write(&self, out: &mut String, name: &str, labels: &str) {
        let mut total = 0;
        for (index, count) in self.counts.iter().enumerate() {
            total += count;
            let bound = BOUNDS_MS.get(index).map_or_else(|| "+Inf".to_owned(), |ms| seconds(*ms));
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {total}");
        }
        let _ = writeln!(out, "{name}_sum{{{labels}}} {}", seconds(self.sum_ms));
        let _ = writeln!(out, "{name}_count{{{labels}}} {total}");
    }
}

/// Milliseconds as seconds, exactly.
fn seconds(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The counters.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: BTreeMap<(&'static str, &'static str, u16), u64>,
    durations: BTreeMap<(&'static str, &'static str), Histogram>,
    backend: BTreeMap<(&'static str, &'static str), Histogram>,
    /// Batches and the questions in them, by the class of objects that was asked.
    batches: BTreeMap<&'static str, (u64, u64)>,
    replays: BTreeMap<&'static str, u64>,
    rate_limited: u64,
    shed: u64,
}

impl Metrics {
    /// A request was answered.
    pub fn request(&mut self, method: &'static str, route: &'static str, status: u16, span_ms: u64) {
        *self.requests.entry((method, route, status)).or_default() += 1;
        self.durations.entry((method, route)).or_default().observe(span_ms);
    }

    /// An object or a database answered, for a request of `route`.
    pub fn backend(&mut self, service: &'static str, route: &'static str, span_ms: u64) {
        self.backend.entry((service, route)).or_default().observe(span_ms);
    }

    /// So many questions went to an object of `service` in one call.
    pub fn batch(&mut self, service: &'static str, questions: usize) {
        let (batches, all) = self.batches.entry(service).or_default();
        *batches += 1;
        *all += u64::try_from(questions).unwrap_or(u64::MAX);
    }

    /// A recorded answer was given again.
    pub fn replay(&mut self, operation: &'static str) {
        *self.replays.entry(operation).or_default() += 1;
    }

    /// A request was refused for its caller's rate.
    pub const fn rate_limited(&mut self) {
        self.rate_limited += 1;
    }

    /// A newcomer was told to come back, because too many were being served.
    pub const fn shed(&mut self) {
        self.shed += 1;
    }

    /// Everything, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        head(&mut out, "http_server_requests_total", "counter", "Requests answered by this isolate.");
        for ((method, route, status), count) in &self.requests {
            let labels = format!("method=\"{method}\",route=\"{route}\",status_code=\"{status}\"");
            let _ = writeln!(out, "http_server_requests_total{{{labels}}} {count}");
        }
        let name = "http_server_requests_duration_seconds";
        head(&mut out, name, "histogram", "Time until the answer was ready.");
        for ((method, route), histogram) in &self.durations {
            histogram.write(&mut out, name, &format!("method=\"{method}\",route=\"{route}\""));
        }
        let name = "backend_call_duration_seconds";
        head(&mut out, name, "histogram", "Time spent in an object or database, by the route that asked.");
        for ((service, route), histogram) in &self.backend {
            histogram.write(&mut out, name, &format!("service=\"{service}\",method=\"{route}\""));
        }
        head(&mut out, "batches_total", "counter", "Calls of objects that carried several questions.");
        for (service, (batches, _)) in &self.batches {
            let _ = writeln!(out, "batches_total{{service=\"{service}\"}} {batches}");
        }
        head(&mut out, "batched_questions_total", "counter", "Questions in those calls.");
        for (service, (_, questions)) in &self.batches {
            let _ = writeln!(out, "batched_questions_total{{service=\"{service}\"}} {questions}");
        }
        head(&mut out, "idempotency_replays_total", "counter", "Recorded answers given again.");
        for (operation, count) in &self.replays {
            let _ = writeln!(out, "idempotency_replays_total{{operation=\"{operation}\"}} {count}");
        }
        head(&mut out, "rate_limited_total", "counter", "Requests refused for their caller's rate.");
        let _ = writeln!(out, "rate_limited_total {}", self.rate_limited);
        head(&mut out, "shed_total", "counter", "Newcomers told to come back, because too many were being served.");
        let _ = writeln!(out, "shed_total {}", self.shed);
        out
    }
}

/// Writes what comes before the samples of a metric.
pub fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_and_timed_by_route() {
        let mut metrics = Metrics::default();
        metrics.request("GET", "/healthz", 200, 5);
        metrics.request("GET", "/healthz", 200, 6);
        metrics.request("GET", "/healthz", 503, 20_000);
        let text = metrics.render();
        for line in [
            "http_server_requests_total{method=\"GET\",route=\"/healthz\",status_code=\"200\"} 2",
            "http_server_requests_duration_seconds_bucket{method=\"GET\",route=\"/healthz\",le=\"0.005\"} 1",
            "http_server_requests_duration_seconds_bucket{method=\"GET\",route=\"/healthz\",le=\"0.01\"} 2",
            "http_server_requests_duration_seconds_bucket{method=\"GET\",route=\"/healthz\",le=\"10\"} 2",
            "http_server_requests_duration_seconds_bucket{method=\"GET\",route=\"/healthz\",le=\"+Inf\"} 3",
            "http_server_requests_duration_seconds_sum{method=\"GET\",route=\"/healthz\"} 20.011",
            "http_server_requests_duration_seconds_count{method=\"GET\",route=\"/healthz\"} 3",
        ] {
            assert!(text.lines().any(|present| present == line), "{line}\n{text}");
        }
    }

    #[test]
    fn every_sample_belongs_to_a_described_metric() {
        let mut metrics = Metrics::default();
        metrics.request("POST", "/api/v1/queue/join", 202, 1);
        metrics.backend("LANE", "/api/v1/queue/join", 1);
        metrics.batch("LANE", 3);
        metrics.batch("LANE", 2);
        metrics.replay("queue.join");
        metrics.rate_limited();
        metrics.shed();
        let text = metrics.render();
        let described: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        assert_eq!(described.len(), 8);
        assert!(
            text.contains("\nbatches_total{service=\"LANE\"} 2\n")
                && text.contains("\nbatched_questions_total{service=\"LANE\"} 5\n")
        );
        for sample in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(described.iter().any(|name| sample.starts_with(name)), "{sample}");
        }
    }
}
