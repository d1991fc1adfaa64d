//! Pictures as the bytes that cameras send: for the made-up camera and for the video loopbacks of emulated machines.

/// A picture in a raw format of the kernel, by its word in usher's configuration, in ITU-R BT.601 with limited range; grey is over the full range. Lines of
/// the first plane have `stride` bytes, if that is more than they need.
pub fn raw(picture: &image::RgbImage, format: &str, stride: usize) -> Vec<u8> {
    let (width, height) = (picture.width(), picture.height());
    let rgb = |x: u32, y: u32| picture.get_pixel(x, y).0.map(f32::from);
    let luma = |x: u32, y: u32| {
        let [r, g, b] = rgb(x, y);
        (16.0 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0).round() as u8
    };
    let grey = |x: u32, y: u32| {
        let [r, g, b] = rgb(x, y);
        (0.299 * r + 0.587 * g + 0.114 * b).round() as u16
    };
    // Of the pair of pixels that `x` belongs to.
    let colours = |x: u32, y: u32| {
        let (one, two) = (rgb(x / 2 * 2, y), rgb(x / 2 * 2 + 1, y));
        let [r, g, b] = [0, 1, 2].map(|n| (one[n] + two[n]) / 2.0);
        let blue = 128.0 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255.0;
        let red = 128.0 + (112.0 * r - 93.786 * g - 18.214 * b) / 255.0;
        [blue, red].map(|value| value.round() as u8)
    };
    let pixel = |x: u32, y: u32| match format {
        "yuyv" => vec![luma(x, y), colours(x, y)[x as usize % 2]],
        "uyvy" => vec![colours(x, y)[x as usize % 2], luma(x, y)],
        "nv12" | "yu12" => vec![luma(x, y)],
        "rgb3" => picture.get_pixel(x, y).0.to_vec(),
        "bgr3" => picture.get_pixel(x, y).0.into_iter().rev().collect(),
        "grey" => vec![grey(x, y) as u8],
        "y10" => (grey(x, y) << 2).to_le_bytes().to_vec(),
        "y12" => (grey(x, y) << 4).to_le_bytes().to_vec(),
        "y16" => (grey(x, y) << 8).to_le_bytes().to_vec(),
        other => panic!("{other}"),
    };
    let mut bytes = Vec::new();
    let mut line = |mut pixels: Vec<u8>, stride: usize| {
        pixels.resize(stride.max(pixels.len()), 0x55);
        bytes.extend(pixels);
    };
    for y in 0..height {
        line((0..width).flat_map(|x| pixel(x, y)).collect(), stride);
    }
    let squares = |n: usize| (0..height).step_by(2).map(move |y| (n, y));
    match format {
        "nv12" => squares(0).for_each(|(_, y)| {
            line((0..width).step_by(2).flat_map(|x| colours(x, y)).collect(), stride);
        }),
        "yu12" => squares(0).chain(squares(1)).for_each(|(n, y)| {
            line((0..width).step_by(2).map(|x| colours(x, y)[n]).collect(), stride / 2);
        }),
        _ => {}
    }
    bytes
}
