import { createApp } from 'vue'
import '@/shared/tokens.css'
import '@/shared/base.css'
import './station.css'
import { i18n, language } from '@/shared/i18n'
import App from './App.vue'

document.documentElement.lang = language()
createApp(App).use(i18n).mount('#app')
