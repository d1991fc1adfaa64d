//! A network's file as a sequence of steps that the kernels support, for pictures of any size.

use super::super::input::{InputForm, Pixels};
use super::activation::{Activation, Grid, Prelu};
use super::convolution::{Convolution, Dense};
use super::file::{Graph, Operator, Tensor};
use super::layer::Layer;
use super::outputs::{OutputLayer, OutputLayers};
use super::pool::Pool;

/// One step between int8 tensors.
pub(super) enum Step {
    Convolution(Convolution),
    Dense(Dense),
    Pool(Pool),
    Activation(Activation),
}

/// A network: a chain of steps, then the outputs.
pub(super) struct Program {
    pub steps: Vec<Step>,
    pub outputs: OutputLayers,
}

/// `kTfLitePaddingSame` and `…Valid`; no activation and ReLU.
const SAME: u8 = 0;
const VALID: u8 = 1;
const NONE: u8 = 0;
const RELU: u8 = 1;

impl Program {
    /// `None` for a file with anything that the kernels do not support.
    pub fn read(file: &[u8], form: InputForm) -> Option<Program> {
        let graph = Graph::read(file)?;
        let mut reader = Reader { graph: &graph, at: graph.input, next: 0, channels: 0, windows: form.windows.side };
        let grid = reader.grid(graph.input)?;
        if form.pixels != Pixels::Int8 || grid.zero != 0 {
            return None;
        }
        let mut steps = Vec::new();
        let prelu = loop {
            match reader.next()? {
                Next::Step(step) => steps.push(step),
                Next::End(prelu) => break prelu,
            }
        };
        Some(Program { steps, outputs: OutputLayers::new(prelu, &reader.outputs()?)? })
    }
}

/// The next part of a file.
enum Next {
    Step(Step),
    /// The last PReLU, whose floats the output layers read.
    End(Prelu),
}

/// Reads operators in order, each of which must read the tensor that the previous one wrote.
struct Reader<'a> {
    graph: &'a Graph<'a>,
    /// The tensor that the previous operator wrote.
    at: usize,
    /// Index of the next operator.
    next: usize,
    /// Of the previous layer; 0 before the first.
    channels: usize,
    /// The side of the windows that the input holds.
    windows: usize,
}

impl<'a> Reader<'a> {
    /// Consumes the next operator if it is of this kind and reads the current tensor.
    fn take(&mut self, code: i32) -> Option<&'a Operator<'a>> {
        let operator = self.graph.operators.get(self.next)?;
        let fits = operator.code == code && operator.inputs.first() == Some(&self.at);
        let &[output] = fits.then_some(&operator.outputs[..])? else { return None };
        (self.at, self.next) = (output, self.next + 1);
        Some(operator)
    }

    fn grid(&self, tensor: usize) -> Option<Grid> {
        let tensor = self.graph.tensor(tensor)?;
        match (tensor.kind, &tensor.scales[..]) {
            (Tensor::INT8, &[scale]) if scale > 0.0 && (-128..128).contains(&tensor.zero) => {
                Some(Grid { scale, zero: tensor.zero })
            }
            _ => None,
        }
    }

    /// `None` for an unsupported operator.
    fn next(&mut self) -> Option<Next> {
        self.reshapes();
        let from = self.grid(self.at)?;
        if let Some(operator) = self.take(Operator::CONV_2D) {
            return Some(Next::Step(Step::Convolution(self.convolution(operator, from)?)));
        }
        if let Some(operator) = self.take(Operator::FULLY_CONNECTED) {
            return Some(Next::Step(Step::Dense(self.dense(operator, from)?)));
        }
        if let Some(operator) = self.take(Operator::MAX_POOL_2D) {
            return Some(Next::Step(Step::Pool(pool(operator)?)));
        }
        self.take(Operator::DEQUANTIZE)?;
        let prelu = self.prelu(from)?;
        if self.take(Operator::QUANTIZE).is_none() {
            return Some(Next::End(prelu));
        }
        let to = self.grid(self.at)?;
        self.reshapes();
        let pool = match self.take(Operator::MAX_POOL_2D) {
            Some(operator) => Some(pool(operator)?),
            None => None,
        };
        Some(Next::Step(Step::Activation(Activation::new(prelu, to, pool))))
    }

    /// Skips reshapes, which move no values.
    fn reshapes(&mut self) {
        while self.take(Operator::RESHAPE).is_some() {}
    }

    /// A layer without its window and channels, and the shape of its weights.
    fn layer(&self, operator: &Operator<'a>, from: Grid, activation: u8) -> Option<(Layer, Vec<usize>)> {
        let &[_, weights, bias] = &operator.inputs[..] else { return None };
        let (weights, bias) = (self.graph.tensor(weights)?, self.graph.tensor(bias)?);
        let known = weights.kind == Tensor::INT8
            && weights.zero == 0
            && bias.kind == Tensor::INT32
            && [NONE, RELU].contains(&activation);
        let to = self.grid(known.then_some(self.at)?)?;
        let bias: Vec<i32> = bias.data.as_chunks().0.iter().map(|&bytes| i32::from_le_bytes(bytes)).collect();
        let scale = |i: usize| weights.scales.get(if weights.scales.len() == 1 { 0 } else { i });
        let scales = (0..bias.len()).map(|i| Some(from.scale * scale(i)? / to.scale)).collect::<Option<_>>()?;
        let layer = Layer {
            window: [1, 1],
            channels: [0, bias.len()],
            weights: weights.data.iter().map(|&byte| byte as i8).collect(),
            bias,
            scales,
            zeros: [from.zero, to.zero],
            relu: activation == RELU,
        };
        Some((layer, weights.shape))
    }

    fn convolution(&mut self, operator: &Operator<'a>, from: Grid) -> Option<Convolution> {
        let options = operator.options?;
        // Padding, two strides, the activation, two dilations.
        if options.byte(0) != VALID
            || options.int(1) != 1
            || options.int(2) != 1
            || options.int(4) > 1
            || options.int(5) > 1
        {
            return None;
        }
        let (mut layer, shape) = self.layer(operator, from, options.byte(3))?;
        let &[_, rows, columns, inputs] = &shape[..] else { return None };
        let (window, inputs) = match self.windows {
            // An input of windows: a 1 x 1 convolution over them is a convolution with that window over the picture.
            side if side > 1 && self.channels == 0 => {
                ([rows, columns] == [1, 1]).then_some(([side, side], inputs / side / side))?
            }
            _ => ([rows, columns], inputs),
        };
        (layer.window, layer.channels[0]) = (window, inputs);
        self.channels = layer.channels[1];
        layer.fits().then(|| Convolution::new(&layer))
    }

    fn dense(&mut self, operator: &Operator<'a>, from: Grid) -> Option<Dense> {
        let (mut layer, shape) = self.layer(operator, from, operator.options?.byte(0))?;
        let &[_, inputs] = &shape[..] else { return None };
        // An input of windows is not laid out like the picture, so this layer cannot be the first.
        let first = self.channels == 0;
        (layer.channels[0], self.channels) = (inputs, layer.channels[1]);
        (!first && layer.fits()).then(|| Dense::new(&layer))
    }

    fn prelu(&mut self, from: Grid) -> Option<Prelu> {
        let operator = self.take(Operator::PRELU)?;
        let slopes = self.graph.tensor(*operator.inputs.get(1)?)?.floats()?;
        // If the file treats a row of places as one place, the slopes are repeated.
        let of_channels = slopes.get(..self.channels).filter(|of_channels| !of_channels.is_empty())?;
        let repeated = slopes.chunks(self.channels).all(|again| again == of_channels);
        (repeated && slopes.iter().all(|slope| slope.is_finite())).then(|| Prelu::new(from, of_channels))
    }

    /// The float layers that read the current tensor, in the order of the file's signature.
    fn outputs(&self) -> Option<Vec<OutputLayer>> {
        // Each with the tensor that it finally writes.
        let mut found: Vec<(usize, OutputLayer)> = Vec::new();
        for operator in self.graph.operators.get(self.next..)? {
            let (&input, &[output]) = (operator.inputs.first()?, &operator.outputs[..]) else { return None };
            if operator.code == Operator::LOGISTIC {
                let (tensor, made) = found.iter_mut().find(|(tensor, _)| *tensor == input)?;
                (*tensor, made.sigmoid) = (output, true);
                continue;
            }
            let plain = operator.options.is_some_and(|options| match operator.code {
                Operator::FULLY_CONNECTED => options.byte(0) == NONE,
                Operator::CONV_2D => options.int(1) == 1 && options.int(2) == 1 && options.byte(3) == NONE,
                _ => false,
            });
            let &[_, weights, bias] = &operator.inputs[..] else { return None };
            let (weights, bias) = (self.graph.tensor(weights)?, self.graph.tensor(bias)?);
            // Both kinds of layers must read the channels of one place at a time.
            let of_a_place = weights.shape.last() == Some(&self.channels);
            if input != self.at || !plain || !of_a_place {
                return None;
            }
            found.push((output, OutputLayer { weights: weights.floats()?, bias: bias.floats()?, sigmoid: false }));
        }
        let mut outputs = Vec::new();
        for tensor in &self.graph.outputs {
            let place = found.iter().position(|(made, _)| made == tensor)?;
            outputs.push(found.swap_remove(place).1);
        }
        found.is_empty().then_some(outputs)
    }
}

fn pool(operator: &Operator<'_>) -> Option<Pool> {
    let options = operator.options?;
    let side = |field| usize::try_from(options.int(field)).ok().filter(|&side| side > 0);
    let (stride, window) = (side(1)?, side(3)?);
    let square = side(2)? == stride && side(4)? == window && options.byte(5) == NONE;
    square.then_some(Pool { window, stride, same: options.byte(0) == SAME })
}
