//! A TFLite file, read in place: the tables and lists of its flatbuffer, with every offset checked.
//!
//! The numbers of fields and operators are those of TensorFlow Lite's `schema.fbs`.

#![warn(clippy::arithmetic_side_effects)]

/// A table of the file. A field that is missing, or that points outside the file, is `None`.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Table<'a> {
    /// The file's `Model`.
    pub fn root(bytes: &'a [u8]) -> Option<Table<'a>> {
        Some(Table { bytes, at: number(bytes, 0)? })
    }

    /// Offset of field `index`; `None` if the table leaves it at its default.
    fn field(self, index: usize) -> Option<usize> {
        let back = i32::from_le_bytes(*self.bytes.get(self.at..)?.first_chunk()?);
        let vtable = self.at.checked_add_signed(isize::try_from(back).ok()?.checked_neg()?)?;
        let short = |at: usize| Some(usize::from(u16::from_le_bytes(*self.bytes.get(at..)?.first_chunk()?)));
        let slot = index.checked_mul(2)?.checked_add(4)?;
        match short(vtable)? >= slot.checked_add(2)? {
            true => short(vtable.checked_add(slot)?)?.checked_add(self.at).filter(|&at| at != self.at),
            false => None,
        }
    }

    /// Offset of what field `index` points at.
    fn target(self, index: usize) -> Option<usize> {
        let field = self.field(index)?;
        field.checked_add(number(self.bytes, field)?)
    }

    /// A field of one byte; 0 by default.
    pub fn byte(self, index: usize) -> u8 {
        self.field(index).and_then(|at| self.bytes.get(at)).copied().unwrap_or(0)
    }

    /// An int32 field; 0 by default.
    pub fn int(self, index: usize) -> i32 {
        let bytes = self.field(index).and_then(|at| self.bytes.get(at..)?.first_chunk());
        bytes.map_or(0, |bytes| i32::from_le_bytes(*bytes))
    }

    pub fn table(self, index: usize) -> Option<Table<'a>> {
        Some(Table { bytes: self.bytes, at: self.target(index)? })
    }

    /// A list of values of `N` bytes.
    pub fn list<const N: usize>(self, index: usize) -> Option<&'a [[u8; N]]> {
        let at = self.target(index)?;
        let length = number(self.bytes, at)?.checked_mul(N)?;
        let values = self.bytes.get(at.checked_add(4)?..)?.get(..length)?;
        Some(values.as_chunks().0)
    }

    /// A list of non-negative int32 values.
    pub fn numbers(self, index: usize) -> Option<Vec<usize>> {
        self.list(index)?.iter().map(|&value| usize::try_from(i32::from_le_bytes(value)).ok()).collect()
    }

    /// Entry `entry` of a list of tables.
    pub fn nth(self, index: usize, entry: usize) -> Option<Table<'a>> {
        let offset = u32::from_le_bytes(*self.list(index)?.get(entry)?) as usize;
        // An entry is an offset from its own position.
        let at = self.target(index)?.checked_add(4)?.checked_add(entry.checked_mul(4)?)?;
        Some(Table { bytes: self.bytes, at: at.checked_add(offset)? })
    }

    /// All entries of a list of tables.
    pub fn all(self, index: usize) -> Option<Vec<Table<'a>>> {
        (0..self.list::<4>(index)?.len()).map(|entry| self.nth(index, entry)).collect()
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
}

/// One tensor of the network.
pub(super) struct Tensor<'a> {
    pub kind: u8,
    /// As in the file: batch first.
    pub shape: Vec<usize>,
    /// Empty if an operator writes it.
    pub data: &'a [u8],
    pub scales: Vec<f32>,
    /// The zero point, the same for all channels; 0 if the file gives none.
    pub zero: i32,
}

impl Tensor<'_> {
    pub const FLOAT32: u8 = 0;
    pub const INT32: u8 = 2;
    pub const INT8: u8 = 9;

    /// The values of a float constant.
    pub fn floats(&self) -> Option<Vec<f32>> {
        let values = self.data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
        (self.kind == Tensor::FLOAT32 && !self.data.is_empty()).then(|| values.collect())
    }
}

/// One step of the network: its kind, the indices of its tensors, its options.
pub(super) struct Operator<'a> {
    pub code: i32,
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
    pub options: Option<Table<'a>>,
}

impl Operator<'_> {
    pub const CONV_2D: i32 = 3;
    pub const DEQUANTIZE: i32 = 6;
    pub const FULLY_CONNECTED: i32 = 9;
    pub const LOGISTIC: i32 = 14;
    pub const MAX_POOL_2D: i32 = 17;
    pub const RESHAPE: i32 = 22;
    pub const PRELU: i32 = 54;
    pub const QUANTIZE: i32 = 114;
}

/// The first subgraph of a model.
pub(super) struct Graph<'a> {
    model: Table<'a>,
    subgraph: Table<'a>,
    pub operators: Vec<Operator<'a>>,
    /// The tensor that holds the picture.
    pub input: usize,
    /// The output tensors, in the order of the signature.
    pub outputs: Vec<usize>,
}

impl<'a> Graph<'a> {
    /// `None` if a part is missing.
    pub fn read(bytes: &'a [u8]) -> Option<Graph<'a>> {
        let model = Table::root(bytes)?;
        let subgraph = model.nth(2, 0)?;
        let codes: Vec<i32> = model.all(1)?.iter().map(|code| code.int(3).max(i32::from(code.byte(0)))).collect();
        let operators = subgraph.all(3)?.into_iter().map(|table| {
            Some(Operator {
                code: *codes.get(usize::try_from(table.int(0)).ok()?)?,
                inputs: table.numbers(1)?,
                outputs: table.numbers(2)?,
                options: table.table(4),
            })
        });
        let operators = operators.collect::<Option<_>>()?;
        let named = model.nth(7, 0)?.all(1)?;
        let outputs = named.iter().map(|name| usize::try_from(name.int(1)).ok()).collect::<Option<_>>()?;
        match subgraph.numbers(1)?[..] {
            [input] => Some(Graph { model, subgraph, operators, input, outputs }),
            _ => None,
        }
    }

    pub fn tensor(&self, index: usize) -> Option<Tensor<'a>> {
        let table = self.subgraph.nth(0, index)?;
        let buffer = self.model.nth(4, usize::try_from(table.int(2)).ok()?)?;
        let quantisation = table.table(4);
        let scales: &[[u8; 4]] = quantisation.and_then(|q| q.list(2)).unwrap_or(&[]);
        let zeros: &[[u8; 8]] = quantisation.and_then(|q| q.list(3)).unwrap_or(&[]);
        let zero = zeros.first().map_or(0, |&bytes| i64::from_le_bytes(bytes));
        if zeros.iter().any(|&bytes| i64::from_le_bytes(bytes) != zero) {
            return None;
        }
        Some(Tensor {
            kind: table.byte(1),
            shape: table.numbers(0)?,
            data: buffer.list::<1>(0).unwrap_or(&[]).as_flattened(),
            scales: scales.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
            zero: i32::try_from(zero).ok()?,
        })
    }
}
