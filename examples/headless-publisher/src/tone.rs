//! The tone: 440 Hz, and an octave above for the first tenth of every second, so that one can hear the clock.

use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use opus_rs::{Application, OpusEncoder};

/// Samples per second.
const RATE: usize = 48_000;

/// How much sound one packet holds.
pub(crate) const PACKET: Duration = Duration::from_millis(20);

const SAMPLES: usize = RATE / 50;

/// No packet is longer: RFC 6716 (3.4) ends a frame at 1,275 bytes.
const LONGEST: usize = 1276;

/// A fifth of full scale: loud enough to hear, quiet enough to leave running.
const LOUDNESS: f32 = 0.2;

/// Makes one packet after the other.
pub(crate) struct Tone {
    encoder: OpusEncoder,
    /// Packets made so far.
    made: u64,
    /// Where the wave stands, in turns; carried on from packet to packet so that nothing clicks.
    turn: f32,
}

impl Tone {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut encoder = OpusEncoder::new(48_000, 1, Application::Audio)
            .map_err(|error| anyhow!("cannot set up the Opus encoder: {error}"))?;
        encoder.bitrate_bps = 32_000;
        Ok(Self {
            encoder,
            made: 0,
            turn: 0.0,
        })
    }

    /// The next packet, and its time since the beginning.
    pub(crate) fn next(&mut self) -> anyhow::Result<(Bytes, Duration)> {
        let at = PACKET * u32::try_from(self.made)?;
        let hertz = if at.subsec_millis() < 100 {
            880.0
        } else {
            440.0
        };
        let samples: Vec<f32> = (0..SAMPLES)
            .map(|_| {
                self.turn = (self.turn + hertz / RATE as f32).fract();
                (self.turn * std::f32::consts::TAU).sin() * LOUDNESS
            })
            .collect();
        let mut packet = vec![0; LONGEST];
        let length = self
            .encoder
            .encode(&samples, SAMPLES, &mut packet)
            .map_err(|error| anyhow!("cannot encode the tone: {error}"))?;
        packet.truncate(length);
        self.made += 1;
        Ok((packet.into(), at))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_decoder_hears_the_tone() {
        let mut tone = Tone::new().unwrap();
        let mut decoder = opus_rs::OpusDecoder::new(48_000, 1).unwrap();
        let mut heard = Vec::new();
        for index in 0..50 {
            let (packet, at) = tone.next().unwrap();
            assert_eq!(at, PACKET * index);
            let mut samples = vec![0.0; SAMPLES];
            decoder.decode(&packet, SAMPLES, &mut samples).unwrap();
            heard.extend(samples);
        }
        // The last half second: 440 waves a second cross zero upwards 220 times.
        let last = &heard[heard.len() - RATE / 2..];
        let crossings = last
            .windows(2)
            .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0)
            .count();
        assert!((215..=225).contains(&crossings), "{crossings}");
    }
}
