//! The model of a whole sale.
