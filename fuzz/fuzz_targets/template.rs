//! A template's value in the store: whatever the bytes are, reading them ends in a unit vector or in a reason, and what was read is written
//! as the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use usher::gallery::{Template, read_template, write_template};

fuzz_target!(|data: &[u8]| {
    if let Ok(template) = read_template(data) {
        look_at(&template);
        assert_eq!(write_template(&template), data);
    }
    // The same with the numbers brought to unit length, so that what lies behind that check is reached, too.
    let Some(numbers) = data.get(37..).map(|rest| rest.as_chunks::<4>().0) else { return };
    let count = numbers.len().min(usize::from(data[0]));
    let mut values: Vec<f64> = numbers[..count].iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect();
    let length = values.iter().map(|v| v * v).sum::<f64>().sqrt();
    values.iter_mut().for_each(|value| *value /= length);
    let mut bytes = data[..33].to_vec();
    bytes[0] = 1;
    bytes.extend((count as u32).to_le_bytes());
    values.iter().for_each(|value| bytes.extend((*value as f32).to_le_bytes()));
    bytes.extend(&data[37 + 4 * count..]);
    if let Ok(template) = read_template(&bytes) {
        look_at(&template);
        assert_eq!(write_template(&template), bytes);
    }
});

fn look_at(template: &Template) {
    let square: f64 = template.embedding.values().iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    assert!((square.sqrt() - 1.0).abs() < 1e-5, "length {}", square.sqrt());
}
