//! The kernels compared with the same arithmetic in plain loops, and damaged files.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::input::{Pixels, Windows};
use super::activation::{Activation, Grid, Prelu};
use super::convolution::{Convolution, Dense};
use super::layer::Layer;
use super::pool::Pool;
use super::*;

fn has_avx2() -> bool {
    let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    if !has {
        eprintln!("SKIPPED: this processor has no AVX2");
    }
    has
}

/// A tensor of `size`; its slack holds garbage.
fn tensor(size: Size, values: &[i8]) -> Vec<i16> {
    (0..size.values() + SLACK)
        .map(|i| values.get(i).map_or((i as i16).wrapping_mul(321), |&value| value.into()))
        .collect()
}

/// Rounds to the nearest integer, ties to even.
fn quantised(value: f32, zero: i32, least: i32) -> i16 {
    (value.round_ties_even() as i32).saturating_add(zero).clamp(least, 127) as i16
}

/// A layer and values for an input of its channels.
fn layers() -> impl Strategy<Value = (Layer, Size, Vec<i8>)> {
    let form = (1usize..4, 1usize..4, 1usize..40, 1usize..40, 0usize..9, 0usize..9);
    form.prop_flat_map(|(down, across, inputs, outputs, more_rows, more_columns)| {
        let size = Size { rows: down + more_rows, columns: across + more_columns, channels: inputs };
        let weights = vec(-127i8..=127, outputs * down * across * inputs);
        let parts =
            (weights, vec(-9_000i32..9_000, outputs), vec(1e-5f32..2e-2, outputs), any::<[i8; 2]>(), any::<bool>());
        (parts, vec(any::<i8>(), size.values())).prop_map(move |((weights, bias, scales, zeros, relu), values)| {
            let zeros = zeros.map(i32::from);
            (
                Layer { window: [down, across], channels: [inputs, outputs], weights, bias, scales, zeros, relu },
                size,
                values,
            )
        })
    })
}

/// Value by value.
fn convolved(layer: &Layer, from: Size, to: Size, values: &[i8]) -> Vec<i16> {
    let [down, across] = layer.window;
    let [inputs, outputs] = layer.channels;
    let mut result = Vec::new();
    for (row, column) in to.places() {
        for output in 0..outputs {
            let mut sum = layer.bias[output];
            for y in 0..down {
                for x in 0..across {
                    for input in 0..inputs {
                        let value = values[((row + y) * from.columns + column + x) * inputs + input];
                        let weight = layer.weights[((output * down + y) * across + x) * inputs + input];
                        sum += (i32::from(value) - layer.zeros[0]) * i32::from(weight);
                    }
                }
            }
            let least = if layer.relu { layer.zeros[1] } else { -128 };
            result.push(quantised(sum as f32 * layer.scales[output], layer.zeros[1], least));
        }
    }
    result
}

proptest! {
    #[test]
    fn convolutions_are_sums_of_products((layer, from, values) in layers()) {
        prop_assume!(has_avx2() && layer.fits());
        let convolution = Convolution::new(&layer);
        let to = convolution.output(from).unwrap();
        let mut found = vec![0; to.values() + SLACK];
        // SAFETY: the processor has AVX2.
        unsafe { convolution.run([from, to], &tensor(from, &values), &mut found) };
        prop_assert_eq!(&found[..to.values()], convolved(&layer, from, to, &values));
    }

    #[test]
    fn a_dense_layer_is_a_convolution_at_one_place((mut layer, _, values) in layers(), more in vec(any::<i8>(), 1600)) {
        prop_assume!(has_avx2());
        let inputs = layer.weights.len() / layer.channels[1];
        (layer.window, layer.channels[0]) = ([1, 1], inputs);
        let values: Vec<i8> = values.into_iter().chain(more).take(inputs).collect();
        let from = Size { rows: 1, columns: 1, channels: inputs };
        let dense = Dense::new(&layer);
        let to = dense.output(from).unwrap();
        let mut found = vec![0; to.values() + SLACK];
        // SAFETY: the processor has AVX2.
        unsafe { dense.run(&tensor(from, &values), &mut found) };
        prop_assert_eq!(&found[..to.values()], convolved(&layer, from, to, &values));
    }

    /// The kernels compare neighbours and then activate; the file activates first.
    #[test]
    fn pooling_before_activation_gives_the_same_results(
        sides in any::<[u8; 2]>(),
        pool in (1usize..4, 1usize..3, any::<bool>()).prop_map(|(window, stride, same)| Pool { window, stride, same }),
        slopes in vec(-1.5f32..1.5, 1..40),
        from in (1e-3f32..1.0, any::<i8>()),
        to in (1e-3f32..1.0, any::<i8>()),
        seed in any::<u64>(),
    ) {
        prop_assume!(has_avx2());
        let size = Size {
            rows: pool.window + usize::from(sides[0] % 9),
            columns: pool.window + usize::from(sides[1] % 9),
            channels: slopes.len(),
        };
        let mut generator = fastrand::Rng::with_seed(seed);
        let values: Vec<i8> = (0..size.values()).map(|_| generator.i8(..)).collect();
        let [before, after] = [from, to].map(|(scale, zero)| Grid { scale, zero: zero.into() });
        let activation = Activation::new(Prelu::new(before, &slopes), after, Some(pool));
        let smaller = activation.output(size).unwrap();
        let mut found = vec![0; smaller.values() + SLACK];
        // SAFETY: the processor has AVX2.
        unsafe { activation.run([size, smaller], &tensor(size, &values), &mut found) };

        let result = |at: usize| {
            let value = (i32::from(values[at]) - before.zero) as f32 * before.scale;
            let value = if value < 0.0 { value * slopes[at % slopes.len()] } else { value };
            quantised(value * (1.0 / after.scale), after.zero, -128)
        };
        let missing = |from: usize, to: usize| ((to - 1) * pool.stride + pool.window).saturating_sub(from) / 2;
        let expected: Vec<i16> = smaller
            .places()
            .flat_map(|(row, column)| (0..size.channels).map(move |channel| (row, column, channel)))
            .map(|(row, column, channel)| {
                let near = |index: usize, from: usize, to: usize| {
                    let first = (index * pool.stride).wrapping_sub(missing(from, to));
                    (0..pool.window).map(move |i| first.wrapping_add(i)).filter(move |&at| at < from)
                };
                near(row, size.rows, smaller.rows)
                    .flat_map(|y| near(column, size.columns, smaller.columns).map(move |x| (y, x)))
                    .map(|(y, x)| result((y * size.columns + x) * size.channels + channel))
                    .max()
                    .unwrap()
            })
            .collect();
        prop_assert_eq!(&found[..smaller.values()], expected);
    }

    #[test]
    fn a_damaged_file_is_refused_or_runs(place in any::<prop::sample::Index>(), byte in any::<u8>(), whole in any::<bool>()) {
        let mut file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/rnet.tflite")).unwrap();
        let place = place.index(file.len());
        match whole {
            true => file[place] = byte,
            false => file.truncate(place),
        }
        let form = InputForm { pixels: Pixels::Int8, windows: Windows { side: 3 } };
        if let Some(mut network) = Kernels::of(&file, form).and_then(|kernels| kernels.network([1, 24, 24, 3])) {
            network.run(&[200; 24 * 24 * 3]);
        }
    }
}
