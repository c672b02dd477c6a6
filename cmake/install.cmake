# `cmake --install BUILD --prefix X`: a tree that works where it stands. Paths that depend on the
# prefix are made at installation, since that is when it is known; DESTDIR is respected.
include(GNUInstallDirs)
install(TARGETS murpacs RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES docs/man/murpacs.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES etc/murpacs.cfg etc/isa-mapping.cfg etc/organs.cfg etc/murpacs.dic
        DESTINATION ${CMAKE_INSTALL_DATADIR}/murpacs)
file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
install(FILES README.md CHANGELOG.md LICENSE ${pages} DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES etc/nginx.conf.example DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES systemd/murpacs.sysusers DESTINATION lib/sysusers.d RENAME murpacs.conf)
install(FILES systemd/murpacs.tmpfiles DESTINATION lib/tmpfiles.d RENAME murpacs.conf)
install(FILES systemd/murpacs.socket systemd/murpacs-tls.socket systemd/murpacs-verify.timer
        DESTINATION lib/systemd/system)

install(CODE "
  set(binary \"$<TARGET_FILE:murpacs>\")
  set(source \"${PROJECT_SOURCE_DIR}\")
  set(made \"${PROJECT_BINARY_DIR}/install\")
  set(bindir \"${CMAKE_INSTALL_BINDIR}\")
  set(datadir \"${CMAKE_INSTALL_DATADIR}\")
")
install(CODE [[
  file(MAKE_DIRECTORY ${made})
  execute_process(COMMAND ${binary} completion bash OUTPUT_FILE ${made}/murpacs
                  COMMAND_ERROR_IS_FATAL ANY)
  file(INSTALL ${made}/murpacs
       DESTINATION ${CMAKE_INSTALL_PREFIX}/${datadir}/bash-completion/completions)

  foreach(name murpacs.service murpacs-verify.service)
    file(READ ${source}/systemd/${name} unit)
    string(REPLACE /usr/bin/murpacs ${CMAKE_INSTALL_PREFIX}/${bindir}/murpacs unit "${unit}")
    file(WRITE ${made}/${name} "${unit}")
    file(INSTALL ${made}/${name} DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
  endforeach()

  # The configuration is the administrator's: one that is there stays.
  set(etc ${CMAKE_INSTALL_PREFIX}/etc/murpacs)
  if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(etc /etc/murpacs)
  endif()
  if(EXISTS $ENV{DESTDIR}${etc}/murpacs.cfg)
    message(STATUS "Kept: $ENV{DESTDIR}${etc}/murpacs.cfg")
  else()
    file(INSTALL ${source}/etc/murpacs.cfg DESTINATION ${etc})
  endif()
]])
