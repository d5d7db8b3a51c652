#pragma once

namespace gigawarp::render {

/// A bundle of the program carries a font, for machines that have none. Tells fontconfig of it; to
/// be called before the first QGuiApplication. Does nothing in a build or an installation, or where
/// FONTCONFIG_FILE is set.
void use_bundled_fonts();

}  // namespace gigawarp::render
