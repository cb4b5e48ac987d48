;; Names that would drive a terminal or a page.
(module
  (import "\1b[31m" "<script>alert(1)</script>" (func))
  (func (export "\e2\80\aegnp.exe")))
