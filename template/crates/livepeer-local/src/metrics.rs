//! The engine's counters in Prometheus' text format. Totals only: a label for each stream would grow without end, and
//! `/debug/stats` has them.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::engine::{JoinTimes, Stats};

/// The `Content-Type` of [`text`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that the engine counts, at one moment.
///
/// # Errors
///
/// None that could be caused from outside: the encoder writes to memory.
pub(crate) fn text(stats: Stats) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("livepeer_local");
    registry.register_collector(Box::new(Snapshot(stats)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Snapshot(Stats);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Snapshot(stats) = self;
        let live = stats.streams.values().filter(|stream| stream.live).count();
        let viewers = stats.streams.values().map(|stream| stream.viewers).sum();
        for (name, help, value) in [
            (
                "sessions",
                "Publishers and viewers, connecting ones included",
                stats.sessions,
            ),
            ("streams_live", "Streams whose publisher sends", live),
            ("viewers", "Connected viewers", viewers),
        ] {
            let gauge = ConstGauge::new(value as i64);
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        for (name, help, value) in stats.total.named() {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let help = "Datagrams thrown away";
        let mut drops = encoder.encode_descriptor("drops", help, None, MetricType::Counter)?;
        for (reason, _, value) in stats.drops.named() {
            let labels = [("reason", reason)];
            ConstCounter::new(value).encode(drops.encode_family(&labels)?)?;
        }
        let help = "From the answer to a viewer's offer to its first packet";
        let mut joins =
            encoder.encode_descriptor("join_seconds", help, None, MetricType::Histogram)?;
        let times = &stats.total.join_times;
        let bounds = JoinTimes::BOUNDS_MS.map(|bound| bound as f64 / 1000.0);
        let buckets: Vec<(f64, u64)> = bounds
            .into_iter()
            .chain([f64::INFINITY])
            .zip(times.buckets)
            .collect();
        let seconds = times.total_ms as f64 / 1000.0;
        joins.encode_histogram::<NoLabelSet>(seconds, times.count(), &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_counter_is_told_with_its_help_and_joins_as_a_histogram() {
        let mut stats = Stats::default();
        stats.total.packets_in = 7;
        stats.drops.srtp = 3;
        for ms in [10, 20, 30, 90_000] {
            stats.total.join_times.note(Duration::from_millis(ms));
        }
        let text = text(stats).unwrap();
        for line in [
            "livepeer_local_packets_in_total 7",
            "livepeer_local_drops_total{reason=\"srtp\"} 3",
            "livepeer_local_viewers 0",
            "livepeer_local_join_seconds_bucket{le=\"0.02\"} 2",
            "livepeer_local_join_seconds_bucket{le=\"0.05\"} 3",
            "livepeer_local_join_seconds_bucket{le=\"+Inf\"} 4",
            "livepeer_local_join_seconds_sum 90.06",
            "livepeer_local_join_seconds_count 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
