//! Which layer of a simulcast a viewer is shown: the best that its link carries, or the one it asked for.

use std::time::{Duration, Instant};

/// A layer fits if the link carries this much of its rate, in percent: the rest is sound, repeats and
/// headers.
const FITS: u64 = 110;
/// A better layer needs this much ...
const ROOMY: u64 = 130;
/// ... for this long, so that a viewer at the edge is not tossed to and fro.
const PROBATION: Duration = Duration::from_secs(3);
/// After a link was found too thin, what it is known to carry is all it is given, for this long ...
const CAUTION: Duration = Duration::from_secs(10);
/// ... or twice as long each time that more is tried and it is too thin again within this.
const RELAPSE: Duration = Duration::from_secs(20);
const MAX_CAUTION: Duration = Duration::from_secs(120);

/// The layers that can be shown at this moment, lowest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ladder(pub(crate) Vec<Rung>);

/// A layer that can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rung {
    /// Its index in the track.
    pub(crate) layer: usize,
    /// In bits per second; 0 if it has not been measured yet.
    pub(crate) bitrate: u64,
    /// Of its pictures; `None` if it has not been seen yet.
    pub(crate) pixels: Option<u32>,
}

impl Ladder {
    /// Sorts layers by what they show: their names are no help, since some publishers begin with the best
    /// one and others with the least.
    pub(crate) fn sort(&mut self) {
        let sized = self.0.iter().all(|rung| rung.pixels.is_some());
        self.0.sort_unstable_by_key(|rung| {
            let pixels = rung.pixels.filter(|_| sized);
            (pixels, rung.bitrate, rung.layer)
        });
    }

    fn place(&self, layer: usize) -> Option<usize> {
        self.0.iter().position(|rung| rung.layer == layer)
    }

    /// The best layer of which the link carries `percent`, or the lowest.
    fn best(&self, estimate: u64, percent: u64) -> usize {
        let carries = |rung: &Rung| rung.bitrate.saturating_mul(percent) / 100 <= estimate;
        self.0.iter().rposition(carries).unwrap_or(0)
    }
}

/// One viewer's choice.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    layer: Option<usize>,
    roomy_since: Option<Instant>,
    caution: Option<Caution>,
}

/// What a viewer whose link was too thin has learnt.
#[derive(Clone, Copy, Debug)]
struct Caution {
    /// When it last was.
    thin_at: Instant,
    /// How long the estimate is believed after that. Then a better layer is tried: of a link that carries
    /// less than it could nobody learns how much that is.
    lasts: Duration,
}

impl Choice {
    /// The layer that was chosen last.
    pub(crate) fn layer(&self) -> Option<usize> {
        self.layer
    }

    /// Chooses. `wish` is the layer that the viewer asked for; `estimate` is what its link is known to
    /// carry, in bits per second, and `thin` whether it was found not to carry what it is sent. While no
    /// layer can be shown, the last choice stands.
    pub(crate) fn choose(
        &mut self,
        now: Instant,
        ladder: &Ladder,
        wish: Option<usize>,
        estimate: u64,
        thin: bool,
    ) -> Option<usize> {
        if thin {
            self.grow_cautious(now);
        }
        if ladder.0.is_empty() {
            return self.layer;
        }
        let place = match wish.and_then(|wish| ladder.place(wish)) {
            Some(place) => {
                self.roomy_since = None;
                place
            }
            None => self.by_estimate(now, ladder, estimate),
        };
        self.layer = Some(ladder.0[place].layer);
        self.layer
    }

    fn grow_cautious(&mut self, now: Instant) {
        let lasts = match self.caution {
            None => CAUTION,
            Some(Caution { thin_at, lasts }) => match now.saturating_duration_since(thin_at) {
                since if since < lasts => lasts,
                since if since < lasts + RELAPSE => (2 * lasts).min(MAX_CAUTION),
                _ => CAUTION,
            },
        };
        self.caution = Some(Caution {
            thin_at: now,
            lasts,
        });
    }

    fn by_estimate(&mut self, now: Instant, ladder: &Ladder, estimate: u64) -> usize {
        let best = ladder.0.len() - 1;
        let bold = self
            .caution
            .is_none_or(|c| now.saturating_duration_since(c.thin_at) >= c.lasts);
        let fitting = match bold {
            true => best,
            false => ladder.best(estimate, FITS),
        };
        let here = self.layer.and_then(|layer| ladder.place(layer));
        let Some(here) = here.filter(|here| *here <= fitting) else {
            // The beginning, a layer that has stopped, or a link that has become too thin.
            self.roomy_since = None;
            return fitting;
        };
        let roomy = match self.caution {
            None => best,
            Some(_) => {
                let tried = here + usize::from(bold);
                ladder.best(estimate, ROOMY).max(tried.min(best))
            }
        };
        if roomy <= here {
            self.roomy_since = None;
            return here;
        }
        let since = *self.roomy_since.get_or_insert(now);
        if now.saturating_duration_since(since) < PROBATION {
            return here;
        }
        self.roomy_since = None;
        roomy
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn ladder(rungs: &[(usize, u64, u32)]) -> Ladder {
        let rungs = rungs.iter().map(|(layer, bitrate, pixels)| Rung {
            layer: *layer,
            bitrate: *bitrate,
            pixels: Some(*pixels).filter(|pixels| *pixels > 0),
        });
        let mut ladder = Ladder(rungs.collect());
        ladder.sort();
        ladder
    }

    fn order(ladder: &Ladder) -> Vec<usize> {
        ladder.0.iter().map(|rung| rung.layer).collect()
    }

    const THREE: [(usize, u64, u32); 3] =
        [(0, 2_500_000, 900), (1, 500_000, 300), (2, 150_000, 100)];

    #[test]
    fn layers_are_ordered_by_what_they_show_and_not_by_their_place() {
        assert_eq!(order(&ladder(&THREE)), [2, 1, 0]);
        let still = [(0, 50_000, 900), (1, 90_000, 300)];
        assert_eq!(order(&ladder(&still)), [1, 0], "a still picture is cheap");
        let equal = [(0, 900_000, 300), (1, 90_000, 300)];
        assert_eq!(order(&ladder(&equal)), [1, 0], "equal in size");
        let unknown = [(0, 50_000, 900), (1, 90_000, 0)];
        assert_eq!(order(&ladder(&unknown)), [0, 1], "a size is not known");
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_link_of_which_nothing_bad_is_known_is_given_the_best() {
        let (ladder, mut choice) = (ladder(&THREE), Choice::default());
        let now = Instant::now();
        assert_eq!(choice.choose(now, &ladder, None, 100_000, false), Some(0));
    }

    #[test]
    fn the_best_layer_that_fits_is_chosen_where_the_link_is_thin() {
        let now = Instant::now();
        for (estimate, layer) in [
            (2_750_000, 0),
            (2_700_000, 1),
            (550_000, 1),
            (500_000, 2),
            (0, 2),
        ] {
            let mut choice = Choice::default();
            let chosen = choice.choose(now, &ladder(&THREE), None, estimate, true);
            assert_eq!(chosen, Some(layer), "{estimate}");
        }
    }

    #[test]
    fn down_at_once_and_up_after_a_while_with_room() {
        let (ladder, mut choice) = (ladder(&THREE), Choice::default());
        let mut now = Instant::now();
        assert_eq!(choice.choose(now, &ladder, None, 3_000_000, false), Some(0));
        assert_eq!(choice.choose(now, &ladder, None, 1_000_000, true), Some(1));
        for _ in 0..5 {
            now += SECOND;
            let chosen = choice.choose(now, &ladder, None, 3_000_000, false);
            assert_eq!(chosen, Some(1), "it would fit, without room");
        }
        for step in 0..3 {
            let chosen = choice.choose(now, &ladder, None, 4_000_000, false);
            assert_eq!(chosen, Some(1), "{step}");
            now += SECOND;
        }
        assert_eq!(choice.choose(now, &ladder, None, 4_000_000, false), Some(0));
    }

    #[test]
    fn room_that_comes_and_goes_moves_nothing() {
        let (ladder, mut choice) = (ladder(&THREE), Choice::default());
        let mut now = Instant::now();
        for step in 0..20 {
            let narrow = step % 3 == 0;
            let estimate = if narrow { 1_000_000 } else { 4_000_000 };
            let chosen = choice.choose(now, &ladder, None, estimate, narrow);
            assert_eq!(chosen, Some(1), "{step}");
            now += SECOND;
        }
    }

    /// A link that carries half a megabit and shows it whenever it is given more: when it was tried.
    #[test]
    fn a_thin_link_is_tried_again_one_layer_up_and_ever_less_often() {
        let (ladder, mut choice) = (ladder(&THREE), Choice::default());
        let begun = Instant::now();
        let mut tries = Vec::new();
        for second in 0..300u32 {
            let now = begun + second * SECOND;
            let shown = choice.choose(now, &ladder, None, 500_000, false);
            if second > 0 && shown != Some(2) {
                assert_eq!(shown, Some(1), "never more than one");
                tries.push(second);
            }
            // It is too much, and known at once.
            if shown != Some(2) {
                assert_eq!(choice.choose(now, &ladder, None, 500_000, true), Some(2));
            }
        }
        let between: Vec<u32> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(between.len() >= 3 && between.is_sorted(), "{tries:?}");
        assert!(
            tries[0] >= 10 && *between.last().unwrap() >= 80,
            "{tries:?}"
        );
    }

    #[test]
    fn a_link_that_has_become_wide_again_is_found_out() {
        let (ladder, mut choice) = (ladder(&THREE), Choice::default());
        let mut now = Instant::now();
        assert_eq!(choice.choose(now, &ladder, None, 300_000, true), Some(2));
        let mut shown = Vec::new();
        for _ in 0..30 {
            now += SECOND;
            shown.extend(choice.choose(now, &ladder, None, 300_000, false));
        }
        shown.dedup();
        assert_eq!(shown, [2, 1, 0], "though the estimate does not know");
    }

    #[test]
    fn a_layer_that_stops_is_left_at_once_and_a_wish_is_kept_until_it_is_withdrawn() {
        let (all, mut choice) = (ladder(&THREE), Choice::default());
        let (less, now) = (ladder(&THREE[1..]), Instant::now());
        assert_eq!(choice.choose(now, &all, None, 1, false), Some(0));
        assert_eq!(choice.choose(now, &less, None, 1, false), Some(1));
        assert_eq!(choice.choose(now, &all, Some(0), 1, true), Some(0));
        let gone = choice.choose(now, &less, Some(0), 900_000, true);
        assert_eq!(gone, Some(1), "nobody sends what was wished for");
        assert_eq!(choice.choose(now, &all, Some(0), 1, true), Some(0));
        assert_eq!(choice.choose(now, &all, None, 200_000, true), Some(2));
        let nothing = choice.choose(now, &Ladder::default(), None, 1, false);
        assert_eq!(nothing, Some(2));
    }
}
