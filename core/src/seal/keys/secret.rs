//! What every 32-byte secret has in common.

/// Defines a 32-byte secret that wipes itself, prints nothing of itself and compares in constant time.
macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes stored bytes.
            pub fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Draws a fresh one.
            pub fn generate(draw: &mut $crate::rng::Draw) -> Self {
                Self(draw.bytes())
            }

            /// The bytes, to be used.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The bytes, to be stored. The copy wipes itself.
            pub fn to_bytes(&self) -> zeroize::Zeroizing<[u8; 32]> {
                zeroize::Zeroizing::new(self.0)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                $crate::seal::keys::same(&self.0, &other.0)
            }
        }

        impl Eq for $name {}
    };
}

pub(crate) use secret;
