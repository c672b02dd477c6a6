# The load generator of bench/, built when asked for: cmake --build BUILD --target murpacs-load
file(GLOB bench_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.c)
add_executable(murpacs-load EXCLUDE_FROM_ALL ${bench_sources})
mur_compile_options(murpacs-load)
target_link_libraries(murpacs-load PRIVATE mur_dicom mur_core)
