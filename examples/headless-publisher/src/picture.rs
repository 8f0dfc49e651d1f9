//! The test picture: colour bars, a block that moves, the time of day in big digits, and the frame's number.
//!
//! Made in the encoder's own format, planar YUV 4:2:0 with limited range (BT.601), so that nothing is converted.

use openh264::formats::YUVSource;

/// White, yellow, cyan, green, magenta, red, blue, black at 75 %: luma and the two chromas.
const BARS: [[u8; 3]; 8] = [
    [180, 128, 128],
    [162, 44, 142],
    [131, 156, 44],
    [112, 72, 58],
    [84, 184, 198],
    [65, 100, 212],
    [35, 212, 114],
    [16, 128, 128],
];

const BLACK: u8 = 16;
const GREY: u8 = 110;
const WHITE: u8 = 235;
const NO_COLOUR: u8 = 128;

/// Cells of a glyph.
const GLYPH: (usize, usize) = (5, 7);

/// A glyph's rows, top to bottom, its left cell in the highest of the five bits.
fn glyph(character: char) -> [u8; 7] {
    match character {
        '0' => [0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e],
        '1' => [0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e],
        '2' => [0x0e, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1f],
        '3' => [0x1f, 0x02, 0x04, 0x06, 0x01, 0x11, 0x0e],
        '4' => [0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02],
        '5' => [0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e],
        '6' => [0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e],
        '7' => [0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08],
        '8' => [0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e],
        '9' => [0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c],
        ':' => [0x00, 0x04, 0x04, 0x00, 0x04, 0x04, 0x00],
        '.' => [0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c],
        _ => [0; 7],
    }
}

/// A picture that is drawn over and over.
pub(crate) struct Picture {
    width: usize,
    height: usize,
    /// Luma, then both chromas at half the width and half the height.
    planes: Vec<u8>,
    /// What is the same in every frame.
    background: Vec<u8>,
}

impl Picture {
    /// Both sides must be even.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let mut picture = Self {
            width,
            height,
            planes: vec![NO_COLOUR; width * height * 3 / 2],
            background: Vec::new(),
        };
        for x in 0..width {
            let [luma, u, v] = BARS[x * BARS.len() / width];
            for y in 0..height {
                picture.planes[y * width + x] = luma;
            }
            for y in 0..height / 2 {
                let at = width * height + y * width / 2 + x / 2;
                picture.planes[at] = u;
                picture.planes[at + width * height / 4] = v;
            }
        }
        let track = picture.track();
        picture.fill((0, track.0), (width, track.1), GREY);
        picture.background = picture.planes.clone();
        picture
    }

    /// Draws one frame: `clock` is what the big digits show.
    pub(crate) fn draw(&mut self, clock: &str, frame: u64) {
        self.planes.copy_from_slice(&self.background);
        let (width, height) = (self.width, self.height);

        // Two seconds from side to side at 30 frames per second, and back.
        let (top, size) = self.track();
        let way = (width - size) as u64;
        let step = (frame * way.max(1) / 60) % (2 * way).max(1);
        let left = if step > way { 2 * way - step } else { step };
        self.fill((left as usize, top), (size, size), WHITE);

        self.text(clock, height / 4, width * 9 / 10);
        self.text(&frame.to_string(), height / 2, width * 3 / 10);
    }

    /// Top and height of the band on which the block moves.
    fn track(&self) -> (usize, usize) {
        (even(self.height * 3 / 4), even(self.height / 8))
    }

    /// Writes text in white on black, centred on the line `middle`, at most `room` wide.
    fn text(&mut self, text: &str, middle: usize, room: usize) {
        let columns = text.chars().count() * (GLYPH.0 + 1) + 1;
        let cell = (room / columns).min(self.height / 4 / GLYPH.1).max(1);
        let (wide, high) = (
            (columns * cell).min(self.width),
            ((GLYPH.1 + 2) * cell).min(self.height),
        );
        let (left, top) = ((self.width - wide) / 2, middle.saturating_sub(high / 2));
        self.fill((left, top), (wide, high), BLACK);
        for (index, character) in text.chars().enumerate() {
            for (row, bits) in glyph(character).into_iter().enumerate() {
                for column in (0..GLYPH.0).filter(|column| bits & (0x10 >> column) != 0) {
                    let x = left + (index * (GLYPH.0 + 1) + 1 + column) * cell;
                    self.fill((x, top + (row + 1) * cell), (cell, cell), WHITE);
                }
            }
        }
    }

    /// Fills a rectangle without colour; what lies outside of the picture is left out.
    fn fill(&mut self, (left, top): (usize, usize), (wide, high): (usize, usize), luma: u8) {
        let (right, bottom) = ((left + wide).min(self.width), (top + high).min(self.height));
        let (left, top) = (left.min(right), top.min(bottom));
        for y in top..bottom {
            let row = y * self.width;
            self.planes[row + left..row + right].fill(luma);
        }
        let (luma_size, half) = (self.width * self.height, self.width / 2);
        for plane in [luma_size, luma_size * 5 / 4] {
            for y in top / 2..bottom.div_ceil(2) {
                let row = plane + y * half;
                self.planes[row + left / 2..row + right.div_ceil(2)].fill(NO_COLOUR);
            }
        }
    }
}

impl YUVSource for Picture {
    fn dimensions(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.width, self.width / 2, self.width / 2)
    }

    fn y(&self) -> &[u8] {
        &self.planes[..self.width * self.height]
    }

    fn u(&self) -> &[u8] {
        let luma = self.width * self.height;
        &self.planes[luma..luma * 5 / 4]
    }

    fn v(&self) -> &[u8] {
        &self.planes[self.width * self.height * 5 / 4..]
    }
}

fn even(value: usize) -> usize {
    value & !1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The luma at a place, as one of three characters.
    fn shade(picture: &Picture, x: usize, y: usize) -> char {
        match picture.y()[y * picture.width + x] {
            BLACK => ' ',
            WHITE => '#',
            _ => '.',
        }
    }

    #[test]
    fn the_digits_can_be_read() {
        let mut picture = Picture::new(64, 64);
        picture.draw("17", 0);
        // Two glyphs of five by seven, one cell between and around them, two pixels a cell.
        let rows: Vec<String> = (0..64)
            .step_by(2)
            .map(|y| {
                (0..64)
                    .step_by(2)
                    .map(|x| shade(&picture, x, y))
                    .collect::<String>()
            })
            .filter(|row| row.contains(' ') && row.contains('#'))
            .take(7)
            .map(|row| row.trim_matches('.').to_owned())
            .collect();
        let clock: Vec<&str> = rows.iter().map(String::as_str).collect();
        assert_eq!(clock.len(), 7, "{clock:#?}");
        assert!(clock[0].contains("#####"), "the 7's bar: {clock:#?}");
        assert!(clock[6].contains("###"), "the 1's foot: {clock:#?}");
    }

    #[test]
    fn the_block_moves_and_every_size_can_be_drawn() {
        for (width, height) in [(16, 16), (64, 36), (320, 180), (1280, 720), (90, 160)] {
            let mut picture = Picture::new(width, height);
            let mut seen = std::collections::HashSet::new();
            for frame in [0, 1, 30, 61, 119, u64::from(u32::MAX)] {
                picture.draw("23:59:59.999", frame);
                assert_eq!(picture.v().len(), width * height / 4);
                let (top, size) = picture.track();
                let row = &picture.y()[(top + size / 2) * width..][..width];
                seen.insert(row.iter().position(|luma| *luma == WHITE));
            }
            assert!(seen.len() > 2, "{width}x{height}: {seen:?}");
        }
    }

    #[test]
    fn the_bars_have_their_colours() {
        let picture = Picture::new(160, 90);
        let colours: Vec<_> = (0..8)
            .map(|bar| [picture.u()[bar * 10 + 5], picture.v()[bar * 10 + 5]])
            .collect();
        assert_eq!(colours, BARS.map(|[_, u, v]| [u, v]));
    }
}
