# Tests are found by name:
#   tests/unit/ROOM_what_test.c        links its room alone
#   tests/component/ROOM_what_test.c   links everything
#   tests/e2e/what_test.py             runs the program; sees MURPACS_* (below)
#   tests/lint/*.py, tests/headers/    rules that a tool checks
find_library(CMOCKA_LIBRARY cmocka REQUIRED)
# Debian's own Python: nibabel and pydicom come as its packages.
find_program(MURPACS_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

set(test_environment "UBSAN_OPTIONS=print_stacktrace=1")
if(DEFINED ENV{MURPACS_TESTDATA})
  list(APPEND test_environment "MURPACS_TESTDATA=$ENV{MURPACS_TESTDATA}")
elseif(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/../shared/testdata)
  get_filename_component(testdata ${PROJECT_SOURCE_DIR}/../shared/testdata ABSOLUTE)
  list(APPEND test_environment "MURPACS_TESTDATA=${testdata}")
endif()

function(mur_cmocka_test source kind)
  get_filename_component(name ${source} NAME_WE)
  string(REGEX MATCH "^[a-z]+" room ${name})
  add_executable(${name} ${source})
  mur_compile_options(${name})
  target_compile_definitions(${name} PRIVATE MUR_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(kind STREQUAL "unit")
    target_link_libraries(${name} PRIVATE mur_${room} ${CMOCKA_LIBRARY})
  else()
    target_link_libraries(${name} PRIVATE mur_cli ${CMOCKA_LIBRARY})
  endif()
  add_test(NAME ${kind}/${name} COMMAND ${name})
  set_tests_properties(${kind}/${name} PROPERTIES LABELS ${kind} TIMEOUT 300
    ENVIRONMENT "${test_environment}" SKIP_RETURN_CODE 77)
endfunction()

foreach(kind unit component)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${kind}/*_test.c)
  foreach(source IN LISTS sources)
    mur_cmocka_test(${source} ${kind})
  endforeach()
endforeach()

# The made-up dataset (tests/phantom/README.md): made once for all end-to-end tests.
file(GLOB phantom_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/phantom/*.c)
add_executable(phantom ${phantom_sources})
mur_compile_options(phantom)
target_link_libraries(phantom PRIVATE ZLIB::ZLIB Threads::Threads m)
set(phantom_data ${PROJECT_BINARY_DIR}/phantom-data)
add_test(NAME e2e/make_phantom_data COMMAND ${CMAKE_COMMAND} -DPHANTOM=$<TARGET_FILE:phantom>
  -DOUTPUT=${phantom_data} -P ${PROJECT_SOURCE_DIR}/cmake/phantom_data.cmake)
set_tests_properties(e2e/make_phantom_data PROPERTIES LABELS e2e TIMEOUT 120
  FIXTURES_SETUP phantom_data)

file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/e2e/*_test.py)
foreach(source IN LISTS sources)
  get_filename_component(name ${source} NAME_WE)
  add_test(NAME e2e/${name} COMMAND ${MURPACS_PYTHON} ${source})
  set_tests_properties(e2e/${name} PROPERTIES LABELS e2e TIMEOUT 600
    FIXTURES_REQUIRED phantom_data
    ENVIRONMENT "${test_environment};MURPACS=$<TARGET_FILE:murpacs>;MURPACS_PHANTOM=$<TARGET_FILE:phantom>;MURPACS_PHANTOM_DATA=${phantom_data};MURPACS_SOURCE=${PROJECT_SOURCE_DIR};PYTHONDONTWRITEBYTECODE=1")
endforeach()

file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/lint/*.py)
foreach(source IN LISTS sources)
  get_filename_component(name ${source} NAME_WE)
  if(name STREQUAL "sources")
    continue() # what the others share
  endif()
  add_test(NAME lint/${name} COMMAND ${MURPACS_PYTHON} ${source} ${PROJECT_SOURCE_DIR})
  set_tests_properties(lint/${name} PROPERTIES LABELS lint TIMEOUT 120 SKIP_RETURN_CODE 77
    ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")
endforeach()

add_test(NAME headers/self_contained COMMAND ${MURPACS_PYTHON}
  ${PROJECT_SOURCE_DIR}/tests/headers/self_contained.py ${PROJECT_SOURCE_DIR}
  ${CMAKE_C_COMPILER} ${CMAKE_CXX_COMPILER})
set_tests_properties(headers/self_contained PROPERTIES LABELS lint TIMEOUT 120
  ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")
