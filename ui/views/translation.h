#pragma once
#include <QString>

namespace gigawarp::ui {

/// Loads the window's sentences in the language of the setting "language", else of the system,
/// where a translation is there: gigawarp_<language>.qm in the folder that GIGAWARP_TRANSLATIONS
/// names, or in ../share/gigawarp/translations beside the program. Returns the file; empty when the
/// window stays in English. Call it once, after the application is made and before the window.
QString load_translation();

}  // namespace gigawarp::ui
