#include "ui/models/batch_page.h"

#include <QCoreApplication>
#include <QDateTime>
#include <QFile>
#include <QFileInfo>
#include <QUrl>
#include <array>

#include "job/version.h"

namespace gigawarp::ui {
namespace {

QString tr(const char* text) { return QCoreApplication::translate("BatchPage", text); }
QString escaped(const std::string& text) { return QString::fromStdString(text).toHtmlEscaped(); }

constexpr const char* kStyle =
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1250px;padding:0 1em;"
    "color:#1d1f23;background:#fff}h1{font-size:1.5em}"
    ".pair{display:flex;gap:1.2em;padding:1em 0;border-top:1px solid #ddd}"
    ".pair img{width:560px;max-width:55vw;background:#141518;display:block}"
    ".none{width:560px;max-width:55vw;height:120px;background:#8882;display:flex;"
    "align-items:center;justify-content:center;color:#888}"
    "h2{font-size:1.1em;margin:0 0 .3em}.dim{color:#666}"
    "td{padding:.05em 1em .05em 0}.verdict{font-weight:600}"
    ".accepted{color:#1b7f4d}.rejected{color:#b3261e}.fix{color:#a15c00}"
    "@media(prefers-color-scheme:dark){body{background:#1b1d20;color:#e2e4e8}"
    ".pair{border-color:#444}.dim{color:#999}.accepted{color:#6fd6a2}.rejected{color:#ff9a92}"
    ".fix{color:#ffc46b}a{color:#8ab8ff}}";

QString picture(const std::filesystem::path& folder, const QString& link) {
  QFile file(QString::fromStdString((folder / "thumbnail.png").string()));
  if (!file.open(QIODevice::ReadOnly))
    return QStringLiteral("<div class=\"none\">%1</div>").arg(tr("no picture"));
  QString image = QStringLiteral("<img alt=\"%1\" src=\"data:image/png;base64,%2\">")
                      .arg(tr("Edges of the fixed image over the warped one"),
                           QString::fromLatin1(file.readAll().toBase64()));
  if (!QFileInfo::exists(QString::fromStdString((folder / "sheet.png").string()))) return image;
  return QStringLiteral("<a href=\"%1\">%2</a>").arg(link, image);
}

QString figures(const job::PairFigures& f) {
  QString rows;
  const auto add = [&](const QString& name, const std::optional<double>& value, int digits,
                       const char* unit = "") {
    if (value)
      rows += QStringLiteral("<tr><td>%1</td><td>%2%3</td></tr>")
                  .arg(name, QString::number(*value, 'f', digits), QLatin1String(unit));
  };
  add(tr("NCC"), f.ncc, 3);
  add(tr("Local NCC"), f.local_ncc, 3);
  add(tr("Dice, mean"), f.dice_mean, 3);
  add(tr("Dice, 30th percentile"), f.dice_p30, 3);
  add(tr("Landmarks"), f.landmark_mm, 2, " mm");
  add(tr("Folds"), f.folds_percent, 4, " %");
  add(tr("Inverse error"), f.inverse_error_mm, 3, " mm");
  return QStringLiteral("<table>%1</table>").arg(rows);
}

QString verdict(const job::Verdict& v) {
  if (v.kind == job::VerdictKind::none) return {};
  const QString kind = QString::fromStdString(job::name_of(v.kind));
  QString text = QStringLiteral(
                     "<p><span class=\"verdict %1\">%2</span> <span class=\"dim\">%3, "
                     "%4%5</span>")
                     .arg(kind, kind, escaped(v.who), escaped(v.when),
                          v.outdated ? tr(", of an earlier run") : QString());
  if (!v.note.empty()) text += QStringLiteral("<br>%1").arg(escaped(v.note));
  return text + QStringLiteral("</p>");
}

}  // namespace

QByteArray batch_page(const job::BatchFolder& batch,
                      const std::vector<job::PairOutcome>& outcomes) {
  std::array<int, 4> states{};
  for (const job::PairOutcome& outcome : outcomes)
    ++states.at(static_cast<std::size_t>(outcome.state));
  const auto count = [&](job::PairState state) {
    return states.at(static_cast<std::size_t>(state));
  };
  const QString title =
      tr("Batch %1").arg(QString::fromStdString(batch.path().filename().string()).toHtmlEscaped());
  QString html = QStringLiteral(
                     "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                     "<title>%1</title><style>%2</style></head><body>\n<h1>%1</h1>\n")
                     .arg(title, QLatin1String(kStyle));
  html += QStringLiteral("<p>%1</p>\n")
              .arg(tr("%1 pairs: %2 done, %3 failed, %4 to do. Worst first.")
                       .arg(outcomes.size())
                       .arg(count(job::PairState::done))
                       .arg(count(job::PairState::failed))
                       .arg(count(job::PairState::waiting) + count(job::PairState::unfinished)));
  for (const std::size_t i : job::BatchFolder::worst_first(outcomes)) {
    const job::BatchPair& pair = batch.pairs()[i];
    const job::PairOutcome& outcome = outcomes[i];
    const QString link = QString::fromLatin1(
        QUrl::toPercentEncoding(QString::fromStdString(pair.name + "/sheet.png"), "/"));
    html += QStringLiteral("<div class=\"pair\" id=\"%1\">%2<div><h2>%1</h2>")
                .arg(escaped(pair.name), picture(batch.folder_of(pair), link));
    if (outcome.state == job::PairState::done)
      html += figures(outcome.figures);
    else
      html += QStringLiteral("<p><b>%1</b> %2</p>")
                  .arg(QString::fromStdString(name_of(outcome.state)), escaped(outcome.problem));
    html += verdict(outcome.verdict) + QStringLiteral("</div></div>\n");
  }
  html += QStringLiteral("<p class=\"dim\">Gigawarp %1, %2</p></body></html>\n")
              .arg(QString::fromUtf8(job::version().data()),
                   QDateTime::currentDateTimeUtc().toString(Qt::ISODate));
  return html.toUtf8();
}

}  // namespace gigawarp::ui
