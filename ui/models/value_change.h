#pragma once
#include <QUndoCommand>
#include <functional>
#include <utility>

namespace gigawarp::ui {

/// An undoable change of one value. Successive changes with the same text become one, so that a
/// drag is undone at once.
template <class T>
class ValueChange final : public QUndoCommand {
 public:
  using Apply = std::function<void(const T&)>;
  ValueChange(const QString& text, T before, T after, int id, Apply apply)
      : QUndoCommand(text),
        before_(std::move(before)),
        after_(std::move(after)),
        id_(id),
        apply_(std::move(apply)) {}

  int id() const override { return id_; }
  bool mergeWith(const QUndoCommand* next) override {
    const auto* change = dynamic_cast<const ValueChange*>(next);
    if (change == nullptr || change->text() != text()) return false;
    after_ = change->after_;
    return true;
  }
  void undo() override { apply_(before_); }
  void redo() override { apply_(after_); }

 private:
  T before_, after_;
  int id_;
  Apply apply_;
};

}  // namespace gigawarp::ui
