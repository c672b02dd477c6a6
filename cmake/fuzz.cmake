# tests/fuzz/ROOM_what_fuzz.c: a target of fuzzing, linked with its room alone. In the preset `fuzz`
# libFuzzer feeds it; elsewhere a test runs it with its seeds, which tests/fuzz/seeds.py makes, and
# with tests/fuzz/corpus/ROOM_what/, which holds inputs that once were trouble.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/*_fuzz.c)
set(fuzz_seeds ${PROJECT_BINARY_DIR}/fuzz-seeds)
set(fuzz_corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus)

foreach(source IN LISTS sources)
  get_filename_component(target ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${target})
  string(REGEX MATCH "^[a-z]+" room ${target})
  add_executable(${target} ${source})
  mur_compile_options(${target})
  target_link_libraries(${target} PRIVATE mur_${room})
  if(MURPACS_FUZZ)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
    set(folders ${fuzz_seeds}/${name})
    if(IS_DIRECTORY ${fuzz_corpus}/${name})
      list(APPEND folders ${fuzz_corpus}/${name})
    endif()
    add_test(NAME fuzz/${name} COMMAND ${target} ${folders})
    set_tests_properties(fuzz/${name} PROPERTIES LABELS fuzz TIMEOUT 120
      FIXTURES_REQUIRED fuzz_seeds ENVIRONMENT "${test_environment}")
  endif()
endforeach()

if(NOT MURPACS_FUZZ)
  add_test(NAME fuzz/make_seeds COMMAND ${MURPACS_PYTHON}
    ${PROJECT_SOURCE_DIR}/tests/fuzz/seeds.py ${fuzz_seeds})
  set_tests_properties(fuzz/make_seeds PROPERTIES LABELS fuzz TIMEOUT 120
    FIXTURES_SETUP fuzz_seeds ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")
endif()
