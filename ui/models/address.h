#pragma once
#include <QMimeData>
#include <QString>
#include <QStringList>

namespace gigawarp::ui {

/// The text is an address (https://, http://, s3://) rather than the name of a file.
bool is_address(const QString& text);

/// What is dropped or pasted: files, and addresses as links or as lines of text.
QStringList paths_of(const QMimeData& data);
/// Those in the clipboard, which may hold nothing at all.
QStringList copied_paths();

}  // namespace gigawarp::ui
