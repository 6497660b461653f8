mod bypass;
mod classes;
mod properties;
mod scale;
