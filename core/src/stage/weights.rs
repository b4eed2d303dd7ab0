//! A stage's weights, ready for the inner loops: raw ones where they lie in the blob, coded ones decoded into the step's window.

#[cfg(feature = "coded")]
use super::decoded;
#[cfg(feature = "coded")]
use crate::codec::Codec;
use crate::error::Refused;
use crate::kernel::arch::cast::as_i8s;
use crate::model::Weights;
use crate::plan::Window;

/// The weights of two convolutions, and the arena below them.
pub(crate) type Ready<'m> = (&'m [i8], &'m [i8], &'m mut [u8]);

/// Prepares the weights of a stage's bottleneck and of its main convolution. If they are coded, what lay in the places of the
/// decoding table and of the window is lost.
#[inline(always)]
pub(crate) fn prepare<'m>(
    bottleneck: Weights<'m>,
    conv: Weights<'m>,
    #[cfg_attr(not(feature = "coded"), expect(unused_variables))] window: &Window,
    arena: &'m mut [u8],
) -> Result<Ready<'m>, Refused> {
    #[cfg(feature = "coded")]
    if bottleneck.codec != Codec::Raw || conv.codec != Codec::Raw {
        return decoded::decode(bottleneck, conv, window, arena);
    }
    Ok((as_i8s(bottleneck.bytes), as_i8s(conv.bytes), arena))
}
