# Makes the small dataset anew: cmake -DPHANTOM=PROGRAM -DOUTPUT=DIR -P phantom_data.cmake
file(REMOVE_RECURSE ${OUTPUT})
execute_process(COMMAND ${PHANTOM} ${OUTPUT} --scale small COMMAND_ERROR_IS_FATAL ANY)
