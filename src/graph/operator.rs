//! The closed operator vocabulary, one entry per semantic operator.
//!
//! Operators outside the vocabulary are kept as [`Operator::Unknown`] with their domain and name,
//! hashed and counted, never dropped. Layout (reshape, transpose, expand), casts, identities and
//! shape arithmetic are no operators: they are the coding habit of an exporter, and edges pass
//! through them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What kind of work an operator does; for tables and for coarse comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorGroup {
    /// A model input.
    Input,
    /// Learned products: convolution, linear, embedding, recurrent layers.
    Learned,
    /// Products of two computed values: matrix product, attention.
    Product,
    /// Normalisation.
    Normalisation,
    /// Pointwise non-linearity and softmax.
    Activation,
    /// Pooling and reduction.
    Reduction,
    /// Elementwise arithmetic.
    Arithmetic,
    /// Comparison, selection, sorting.
    Selection,
    /// Moving values: concatenation, slice, resize, gather.
    Movement,
    /// Outside the vocabulary.
    Unknown,
}

macro_rules! operators {
    ($($group:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* })*) => {
        /// A semantic operator.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operator {
            $($($(#[$doc])* $variant,)*)*
            /// An operator outside the vocabulary.
            Unknown {
                /// Where it comes from: `torch`, an ONNX domain, `keras`.
                domain: Box<str>,
                /// Its name there.
                name: Box<str>,
            },
        }

        impl Operator {
            /// Every operator of the vocabulary.
            pub const ALL: &'static [Operator] = &[$($(Operator::$variant),*),*];

            /// Its name in JSON and tables; an unknown operator's own name.
            pub fn name(&self) -> &str {
                match self {
                    $($(Operator::$variant => $name,)*)*
                    Operator::Unknown { name, .. } => name,
                }
            }

            /// The kind of work it does.
            pub fn group(&self) -> OperatorGroup {
                match self {
                    $($(Operator::$variant)|* => OperatorGroup::$group,)*
                    Operator::Unknown { .. } => OperatorGroup::Unknown,
                }
            }
        }
    };
}

operators! {
    Input {
        /// A model input.
        Input = "input",
    }
    Learned {
        /// Convolution of any rank; a following batch norm and bias are part of it.
        Conv = "conv",
        /// Transposed convolution.
        ConvTranspose = "conv_transpose",
        /// Deformable convolution.
        DeformConv = "deform_conv",
        /// Product with a weight matrix; a bias is part of it.
        Linear = "linear",
        /// Bilinear form of two values and a weight.
        Bilinear = "bilinear",
        /// Look-up in a weight table.
        Embedding = "embedding",
        /// Long short-term memory layer, one node a layer.
        Lstm = "lstm",
        /// Gated recurrent unit layer.
        Gru = "gru",
        /// Plain recurrent layer.
        Rnn = "rnn",
    }
    Product {
        /// Product of two computed matrices.
        MatMul = "matmul",
        /// Softmax attention: operands query, key, value.
        Attention = "attention",
        /// Einstein summation that is no plain matrix product.
        Einsum = "einsum",
    }
    Normalisation {
        /// Per-channel scale and shift that follows no convolution or linear layer.
        BatchNorm = "batch_norm",
        /// Layer normalisation.
        LayerNorm = "layer_norm",
        /// Root-mean-square normalisation.
        RmsNorm = "rms_norm",
        /// Group normalisation.
        GroupNorm = "group_norm",
        /// Instance normalisation.
        InstanceNorm = "instance_norm",
        /// Local response normalisation.
        LocalResponseNorm = "local_response_norm",
        /// Division by the Lp norm.
        LpNormalize = "lp_normalize",
    }
    Activation {
        /// max(x, 0).
        Relu = "relu",
        /// min(max(x, 0), 6).
        Relu6 = "relu6",
        /// Leaky ReLU.
        LeakyRelu = "leaky_relu",
        /// Leaky ReLU with a learned slope.
        PRelu = "prelu",
        /// Exponential linear unit.
        Elu = "elu",
        /// Continuously differentiable ELU.
        Celu = "celu",
        /// Self-normalising ELU.
        Selu = "selu",
        /// Gaussian error linear unit, exact or approximated.
        Gelu = "gelu",
        /// x sigmoid(x), also called swish.
        Silu = "silu",
        /// x tanh(softplus(x)).
        Mish = "mish",
        /// Piecewise-linear swish.
        HardSwish = "hard_swish",
        /// Logistic function.
        Sigmoid = "sigmoid",
        /// Piecewise-linear logistic function.
        HardSigmoid = "hard_sigmoid",
        /// Logarithm of the logistic function.
        LogSigmoid = "log_sigmoid",
        /// Hyperbolic tangent.
        Tanh = "tanh",
        /// log(1 + exp(x)).
        Softplus = "softplus",
        /// x / (1 + |x|).
        Softsign = "softsign",
        /// Zero inside a band, shifted or not outside it.
        Shrink = "shrink",
        /// Zero below a threshold.
        ThresholdedRelu = "thresholded_relu",
        /// Gated linear unit.
        Glu = "glu",
        /// Clamp to constant bounds.
        Clip = "clip",
        /// Softmax along one axis.
        Softmax = "softmax",
        /// Logarithm of the softmax.
        LogSoftmax = "log_softmax",
    }
    Reduction {
        /// Maximum over a window.
        MaxPool = "max_pool",
        /// Mean over a window.
        AvgPool = "avg_pool",
        /// Lp norm over a window.
        LpPool = "lp_pool",
        /// Mean over every position.
        GlobalAvgPool = "global_avg_pool",
        /// Maximum over every position.
        GlobalMaxPool = "global_max_pool",
        /// Mean over axes that are not just the positions.
        ReduceMean = "reduce_mean",
        /// Sum.
        ReduceSum = "reduce_sum",
        /// Maximum.
        ReduceMax = "reduce_max",
        /// Minimum.
        ReduceMin = "reduce_min",
        /// Product.
        ReduceProd = "reduce_prod",
        /// Lp norm.
        ReduceNorm = "reduce_norm",
        /// Variance or standard deviation.
        ReduceVariance = "reduce_variance",
        /// Log-sum-exp.
        ReduceLogSumExp = "reduce_log_sum_exp",
        /// Running sum or product.
        Cumulative = "cumulative",
    }
    Arithmetic {
        /// Sum of two values.
        Add = "add",
        /// Difference.
        Sub = "sub",
        /// Elementwise product.
        Mul = "mul",
        /// Quotient.
        Div = "div",
        /// Remainder.
        Mod = "mod",
        /// Multiplication by and addition of constants.
        Scale = "scale",
        /// Power.
        Pow = "pow",
        /// Square root.
        Sqrt = "sqrt",
        /// 1 / sqrt(x).
        ReciprocalSqrt = "reciprocal_sqrt",
        /// 1 / x.
        Reciprocal = "reciprocal",
        /// Exponential.
        Exp = "exp",
        /// Logarithm.
        Log = "log",
        /// Absolute value.
        Abs = "abs",
        /// Sign.
        Sign = "sign",
        /// Floor, ceiling or rounding.
        Round = "round",
        /// Gauss error function.
        Erf = "erf",
        /// Sine, cosine and their kin.
        Trigonometric = "trigonometric",
        /// Elementwise minimum of two values.
        Min = "min",
        /// Elementwise maximum of two values.
        Max = "max",
    }
    Selection {
        /// Comparison of two values.
        Compare = "compare",
        /// Boolean or bitwise operation.
        Logical = "logical",
        /// Choice between two values by a condition.
        Where = "where",
        /// Index of the largest or smallest value.
        ArgExtreme = "arg_extreme",
        /// The k largest values.
        TopK = "top_k",
        /// Sorting.
        Sort = "sort",
        /// Indices of the non-zero values.
        NonZero = "non_zero",
        /// Distinct values.
        Unique = "unique",
        /// One-hot encoding.
        OneHot = "one_hot",
        /// Non-maximum suppression of boxes.
        NonMaxSuppression = "non_max_suppression",
        /// Random values.
        Random = "random",
    }
    Movement {
        /// Concatenation or stacking.
        Concat = "concat",
        /// A part of a value.
        Slice = "slice",
        /// Padding with anything but zeros.
        Pad = "pad",
        /// Interpolation to another resolution.
        Resize = "resize",
        /// Sampling at computed positions.
        GridSample = "grid_sample",
        /// Pooling of computed regions.
        RoiAlign = "roi_align",
        /// Cyclic shift.
        Roll = "roll",
        /// Reversal along an axis.
        Flip = "flip",
        /// Channels to positions, also called pixel shuffle.
        DepthToSpace = "depth_to_space",
        /// Positions to channels.
        SpaceToDepth = "space_to_depth",
        /// Sliding windows to columns.
        Unfold = "unfold",
        /// Columns to sliding windows.
        Fold = "fold",
        /// Selection by computed indices.
        Gather = "gather",
        /// Writing at given places.
        Scatter = "scatter",
        /// Upper or lower triangle.
        Triangle = "triangle",
        /// Fourier transform.
        Fourier = "fourier",
    }
}

impl Operator {
    /// An operator outside the vocabulary.
    pub fn unknown(domain: &str, name: &str) -> Self {
        Self::Unknown {
            domain: domain.into(),
            name: name.into(),
        }
    }

    /// True when the order of the operands does not matter.
    pub fn is_commutative(&self) -> bool {
        matches!(self, Self::Add | Self::Mul | Self::Min | Self::Max)
    }

    /// True when it has weights of its own.
    pub fn is_learned(&self) -> bool {
        self.group() == OperatorGroup::Learned
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { domain, name } => write!(f, "{domain}:{name}"),
            known => f.write_str(known.name()),
        }
    }
}

impl Serialize for Operator {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Operator {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some((domain, name)) = text.split_once(':') {
            return Ok(Self::unknown(domain, name));
        }
        Self::ALL
            .iter()
            .find(|operator| operator.name() == text)
            .cloned()
            .ok_or_else(|| {
                serde::de::Error::custom(format_args!("`{text}` is no operator of the vocabulary"))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_survive_json() {
        let mut names: Vec<_> = Operator::ALL.iter().map(Operator::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Operator::ALL.len());
        for operator in Operator::ALL {
            let json = serde_json::to_string(operator).unwrap();
            assert_eq!(&serde_json::from_str::<Operator>(&json).unwrap(), operator);
        }
    }

    #[test]
    fn an_unknown_operator_keeps_domain_and_name() {
        let operator = Operator::unknown("com.microsoft", "BiasSplitGelu");
        assert_eq!(operator.to_string(), "com.microsoft:BiasSplitGelu");
        let json = serde_json::to_string(&operator).unwrap();
        assert_eq!(serde_json::from_str::<Operator>(&json).unwrap(), operator);
    }
}
