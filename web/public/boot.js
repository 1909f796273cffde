// Asks early for what the first screen needs, and says so when the page cannot start: a browser that is too old, or a
// script that did not come.
(function () {
  function show(id) {
    var words = document.getElementById(id);
    if (words) words.hidden = false;
  }
  if (!('noModule' in document.createElement('script'))) {
    document.addEventListener('DOMContentLoaded', function () { show('old'); });
    return;
  }
  var path = location.pathname;
  var screen = path === '/' ? 'data-home' : /^\/e\/[^/]+$/.test(path) ? 'data-event' : '';
  var files = screen && document.currentScript.getAttribute(screen);
  (files || '').split(' ').filter(Boolean).forEach(function (file) {
    var link = document.createElement('link');
    link.rel = 'modulepreload';
    link.href = file;
    document.head.appendChild(link);
  });
  setTimeout(function () {
    if (!document.documentElement.getAttribute('data-ready')) show('slow');
  }, 8000);
})();
