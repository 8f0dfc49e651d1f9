//! What a step showed, the median of several, and how it is told.

use serde_json::json;

use crate::server::Engine;

/// One step of a series, measured once.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) engine: Engine,
    pub(crate) publishers: usize,
    pub(crate) viewers: usize,
    /// CPU time of the server for each packet that reached a viewer.
    pub(crate) us_per_packet: f64,
    /// CPU time of a bare sender for each packet, to as many receivers: what no server can do without.
    pub(crate) floor_us_per_packet: f64,
    pub(crate) packets_per_second: f64,
    pub(crate) loss_percent: f64,
    pub(crate) delay_p50_ms: f64,
    pub(crate) delay_p99_ms: f64,
    /// Growth of the server's memory by each viewer.
    pub(crate) kb_per_viewer: f64,
    /// From the POST to the first packet.
    pub(crate) join_p50_ms: f64,
    /// NACKed packets and packets that only their repetition brought, per thousand.
    pub(crate) nacks_per_mille: f64,
    pub(crate) repaired_per_mille: f64,
    /// The share of all processors that nobody needed: little, in a small step, means that the machine did other things too.
    pub(crate) idle_percent: f64,
    /// Processors' worth of CPU time that the server needed, and the load, which has one thread.
    pub(crate) server_cores: f64,
    pub(crate) load_cores: f64,
}

impl Figures {
    /// The machine, of so many processors, is at its end: what follows would measure that.
    pub(crate) fn is_overloaded(&self, processors: usize) -> bool {
        let all = self.server_cores + self.load_cores;
        self.loss_percent > 1.0 || self.load_cores > 0.92 || all > 0.95 * processors as f64
    }

    /// How many such viewers one processor would bear: a calculation, not a measurement.
    fn viewers_per_core(&self) -> f64 {
        let each = self.packets_per_second / self.viewers as f64;
        1e6 / (each * self.us_per_packet)
    }

    /// The median of each figure.
    pub(crate) fn median(of: &[Figures]) -> Option<Figures> {
        let first = of.first()?;
        let median = |figure: fn(&Figures) -> f64| {
            let mut values: Vec<f64> = of.iter().map(figure).collect();
            values.sort_by(f64::total_cmp);
            let middle = values.len() / 2;
            match values.len() % 2 {
                0 => f64::midpoint(values[middle - 1], values[middle]),
                _ => values[middle],
            }
        };
        Some(Figures {
            engine: first.engine,
            publishers: first.publishers,
            viewers: first.viewers,
            us_per_packet: median(|f| f.us_per_packet),
            floor_us_per_packet: median(|f| f.floor_us_per_packet),
            packets_per_second: median(|f| f.packets_per_second),
            loss_percent: median(|f| f.loss_percent),
            delay_p50_ms: median(|f| f.delay_p50_ms),
            delay_p99_ms: median(|f| f.delay_p99_ms),
            kb_per_viewer: median(|f| f.kb_per_viewer),
            join_p50_ms: median(|f| f.join_p50_ms),
            nacks_per_mille: median(|f| f.nacks_per_mille),
            repaired_per_mille: median(|f| f.repaired_per_mille),
            idle_percent: median(|f| f.idle_percent),
            server_cores: median(|f| f.server_cores),
            load_cores: median(|f| f.load_cores),
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        json!({
            "bench": "fanout",
            "engine": self.engine.name(),
            "publishers": self.publishers,
            "viewers": self.viewers,
            "us_per_packet": rounded(self.us_per_packet, 2),
            "floor_us_per_packet": rounded(self.floor_us_per_packet, 2),
            "loss_percent": rounded(self.loss_percent, 3),
            "delay_p50_ms": rounded(self.delay_p50_ms, 2),
            "delay_p99_ms": rounded(self.delay_p99_ms, 2),
            "kb_per_viewer": rounded(self.kb_per_viewer, 1),
            "viewers_per_core": self.viewers_per_core().round(),
            "join_p50_ms": rounded(self.join_p50_ms, 1),
            "nacks_per_mille": rounded(self.nacks_per_mille, 1),
            "repaired_per_mille": rounded(self.repaired_per_mille, 1),
            "server_cores": rounded(self.server_cores, 2),
            "load_cores": rounded(self.load_cores, 2),
            "idle_percent": rounded(self.idle_percent, 0),
        })
    }

    /// A row of a Markdown table, under [`HEAD`].
    pub(crate) fn row(&self) -> String {
        format!(
            "| {} | {} | {} | {:.2} | {:.2} | {:.3} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} |",
            self.engine.name(),
            self.publishers,
            self.viewers,
            self.us_per_packet,
            self.floor_us_per_packet,
            self.loss_percent,
            self.delay_p50_ms,
            self.delay_p99_ms,
            self.kb_per_viewer,
            self.viewers_per_core(),
            self.idle_percent,
        )
    }
}

/// The head of a Markdown table of [`Figures::row`]s.
pub(crate) const HEAD: &str = "\
| engine | publishers | viewers | CPU, µs per packet | bare sender | loss, % | delay p50, ms | p99, ms | KB per viewer | viewers per core | idle, % |
|---|---|---|---|---|---|---|---|---|---|---|";

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn figures(us_per_packet: f64, loss_percent: f64) -> Figures {
        Figures {
            engine: Engine::Ours,
            publishers: 1,
            viewers: 100,
            us_per_packet,
            floor_us_per_packet: 1.0,
            packets_per_second: 27_000.0,
            loss_percent,
            delay_p50_ms: 0.5,
            delay_p99_ms: 1.0,
            kb_per_viewer: 30.0,
            join_p50_ms: 20.0,
            nacks_per_mille: 0.0,
            repaired_per_mille: 0.0,
            idle_percent: 60.0,
            server_cores: 0.2,
            load_cores: 0.1,
        }
    }

    #[test]
    fn each_figure_has_a_median_of_its_own() {
        let of = [figures(3.0, 0.0), figures(1.0, 2.0), figures(2.0, 1.0)];
        let median = Figures::median(&of).unwrap();
        assert_eq!((median.us_per_packet, median.loss_percent), (2.0, 1.0));
        let two = Figures::median(&of[..2]).unwrap();
        assert_eq!(two.us_per_packet, 2.0, "between the two");
        assert!(Figures::median(&[]).is_none());
    }

    #[test]
    fn the_machine_is_at_its_end_with_its_processors_or_with_the_loads_one_thread() {
        let with = |server_cores, load_cores| Figures {
            server_cores,
            load_cores,
            ..figures(1.0, 0.0)
        };
        assert!(!with(1.0, 0.5).is_overloaded(2));
        assert!(with(1.3, 0.7).is_overloaded(2));
        assert!(with(0.5, 0.95).is_overloaded(4));
        assert!(
            figures(1.0, 1.5).is_overloaded(4),
            "or when packets are lost"
        );
    }

    #[test]
    fn a_core_bears_what_it_has_time_for() {
        // 270 packets a second, 2 µs each: 540 µs of a second.
        assert_eq!(figures(2.0, 0.0).viewers_per_core().round(), 1852.0);
    }
}
