//! TensorBoard's event files: scalars and histograms by step.
//!
//! The formats are those of TensorFlow's `record_writer.h` (frames) and `event.proto`, `summary.proto` (messages). The crates for them bring image
//! codecs and a protobuf runtime for four small messages.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Bounds of a histogram's buckets, as in TensorFlow: powers of this from 1e-12 up, and the same below zero.
const BUCKET_GROWTH: f64 = 1.1;
const SMALLEST_BUCKET: f64 = 1e-12;
const LARGEST_BUCKET: f64 = 1e20;

/// An open event file.
pub struct Events {
    file: BufWriter<File>,
    bounds: Vec<f64>,
}

impl Events {
    /// Creates `events.out.tfevents.SECONDS.usher.PID` in `folder`, a name that TensorBoard recognises. `seconds` since 1970.
    pub fn create(folder: &Path, seconds: f64) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let name = format!("events.out.tfevents.{:010}.usher.{}", seconds as u64, std::process::id());
        let mut events = Self { file: BufWriter::new(File::create(folder.join(name))?), bounds: bounds() };
        let mut event = time(seconds);
        put_bytes(&mut event, 3, b"brain.Event:2");
        events.frame(&event)?;
        Ok(events)
    }

    /// Writes a scalar of a step.
    pub fn scalar(&mut self, seconds: f64, step: u64, tag: &str, scalar: f32) -> std::io::Result<()> {
        let mut value = Vec::new();
        put_bytes(&mut value, 1, tag.as_bytes());
        value.push(2 << 3 | FIXED_32);
        value.extend(scalar.to_le_bytes());
        self.summary(seconds, step, &value)
    }

    /// Writes the histogram of a weight or its gradient. Values that are not finite are ignored.
    pub fn histogram(&mut self, seconds: f64, step: u64, tag: &str, values: &[f32]) -> std::io::Result<()> {
        let mut value = Vec::new();
        put_bytes(&mut value, 1, tag.as_bytes());
        put_bytes(&mut value, 5, &self.histogram_proto(values));
        self.summary(seconds, step, &value)
    }

    /// Flushes the buffer.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }

    /// A `HistogramProto`.
    fn histogram_proto(&self, values: &[f32]) -> Vec<u8> {
        let mut counts = vec![0.0f64; self.bounds.len()];
        let (mut least, mut most, mut number, mut sum, mut squares) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0, 0.0);
        for value in values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value)) {
            let bucket = self.bounds.partition_point(|&bound| bound <= value).min(self.bounds.len() - 1);
            if let Some(count) = counts.get_mut(bucket) {
                *count += 1.0;
            }
            (least, most) = (least.min(value), most.max(value));
            number += 1.0;
            sum += value;
            squares += value * value;
        }
        let mut message = Vec::new();
        for (field, value) in [(1, least), (2, most), (3, number), (4, sum), (5, squares)] {
            put_double(&mut message, field, if value.is_finite() { value } else { 0.0 });
        }
        // Of consecutive empty buckets only the last is written.
        let nexts = counts.iter().copied().skip(1).chain([0.0]);
        let kept: Vec<(f64, f64)> = (self.bounds.iter().copied().zip(counts.iter().copied()).zip(nexts))
            .filter(|&((_, count), next)| count > 0.0 || next > 0.0)
            .map(|(bucket, _)| bucket)
            .collect();
        let packed =
            |of: fn(&(f64, f64)) -> f64| -> Vec<u8> { kept.iter().flat_map(|b| of(b).to_le_bytes()).collect() };
        put_bytes(&mut message, 6, &packed(|(bound, _)| *bound));
        put_bytes(&mut message, 7, &packed(|(_, count)| *count));
        message
    }

    /// A `Summary` of one value, in an `Event`.
    fn summary(&mut self, seconds: f64, step: u64, value: &[u8]) -> std::io::Result<()> {
        let mut summary = Vec::new();
        put_bytes(&mut summary, 1, value);
        let mut event = time(seconds);
        event.push(2 << 3 | VARINT);
        put_varint(&mut event, step);
        put_bytes(&mut event, 5, &summary);
        self.frame(&event)
    }

    /// A frame: length, checksum of the length, content, checksum of the content.
    fn frame(&mut self, content: &[u8]) -> std::io::Result<()> {
        let length = (content.len() as u64).to_le_bytes();
        self.file.write_all(&length)?;
        self.file.write_all(&masked(&length).to_le_bytes())?;
        self.file.write_all(content)?;
        self.file.write_all(&masked(content).to_le_bytes())
    }
}

const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const BYTES: u8 = 2;
const FIXED_32: u8 = 5;

fn bounds() -> Vec<f64> {
    let positive: Vec<f64> = std::iter::successors(Some(SMALLEST_BUCKET), |bound| Some(bound * BUCKET_GROWTH))
        .take_while(|&bound| bound < LARGEST_BUCKET)
        .collect();
    positive.iter().rev().map(|bound| -bound).chain([0.0]).chain(positive.iter().copied()).chain([f64::MAX]).collect()
}

/// The checksum of a frame: CRC-32C, rotated and offset as TensorFlow masks it.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn time(seconds: f64) -> Vec<u8> {
    let mut event = Vec::new();
    put_double(&mut event, 1, seconds);
    event
}

fn put_double(message: &mut Vec<u8>, field: u8, value: f64) {
    message.push(field << 3 | FIXED_64);
    message.extend(value.to_le_bytes());
}

fn put_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push(field << 3 | BYTES);
    put_varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn put_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contents of all frames of a file, with their checksums verified.
    fn frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut contents = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let content = bytes[12..12 + length].to_vec();
            assert_eq!(masked(&bytes[..8]).to_le_bytes(), bytes[8..12]);
            assert_eq!(masked(&content).to_le_bytes(), bytes[12 + length..16 + length]);
            bytes = &bytes[16 + length..];
            contents.push(content);
        }
        contents
    }

    #[test]
    fn a_file_has_the_frames_of_tensorboard() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = Events::create(folder.path(), 1.5).unwrap();
        events.scalar(2.5, 300, "loss", 0.25).unwrap();
        events.histogram(2.5, 300, "weights", &[1.0, -2.0, f32::NAN]).unwrap();
        events.flush().unwrap();
        let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
        assert!(file.file_name().to_str().unwrap().starts_with("events.out.tfevents.0000000001."));
        let frames = frames(&std::fs::read(file.path()).unwrap());
        assert_eq!(frames.len(), 3);
        let mut first = vec![0x09];
        first.extend(1.5f64.to_le_bytes());
        first.extend(b"\x1a\x0dbrain.Event:2");
        assert_eq!(frames[0], first);
        // Time, step 300, a summary of 13 bytes: a value of 11 bytes: tag "loss", scalar 0.25.
        let mut second = vec![0x09];
        second.extend(2.5f64.to_le_bytes());
        second.extend(b"\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15");
        second.extend(0.25f32.to_le_bytes());
        assert_eq!(frames[1], second);
    }

    #[test]
    fn a_histogram_counts_every_finite_value_once() {
        let folder = tempfile::tempdir().unwrap();
        let events = Events::create(folder.path(), 0.0).unwrap();
        let message = events.histogram_proto(&[0.0, 1e-30, -3.0, 5.0, f32::INFINITY]);
        let doubles: Vec<f64> =
            (0..5).map(|i| f64::from_le_bytes(message[i * 9 + 1..i * 9 + 9].try_into().unwrap())).collect();
        assert_eq!(doubles[..4], [-3.0, 5.0, 4.0, 2.0]);
        let length = usize::from(message[46]);
        let packed = &message[message.len() - length..];
        let counts: f64 = packed.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).sum();
        assert_eq!(counts, 4.0);
    }
}
