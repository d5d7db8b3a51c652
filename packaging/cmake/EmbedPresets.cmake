# cmake -DOUT=file.cpp -DNAMES=a,b -DFOLDER=resources/presets -P EmbedPresets.cmake
# Writes the definition of gigawarp::job::preset_files() with each preset as a raw string.
string(REPLACE "," ";" NAMES "${NAMES}")
set(text "#include \"job/preset_files.h\"\n\nnamespace gigawarp::job {\n\n")
string(APPEND text "const std::vector<std::pair<std::string_view, std::string_view>>& preset_files() {\n")
string(APPEND text "  static const std::vector<std::pair<std::string_view, std::string_view>> files{\n")
foreach(name IN LISTS NAMES)
  file(READ ${FOLDER}/${name}.json content)
  string(APPEND text "      {\"${name}\", R\"preset(${content})preset\"},\n")
endforeach()
string(APPEND text "  };\n  return files;\n}\n\n}  // namespace gigawarp::job\n")
file(WRITE ${OUT} "${text}")
