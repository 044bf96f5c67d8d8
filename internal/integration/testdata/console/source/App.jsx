import { lazy, startTransition, Suspense, useEffect, useState } from 'react'
import logo from './logo.svg'
import './App.css'

const Late = lazy(() => import('./Late.jsx'))

export default function App() {
  const [text, setText] = useState('')
  useEffect(() => {
    fetch('/plain').then((answer) => answer.text()).then((body) => startTransition(() => setText(String(body.length > 0))))
  }, [])
  return (
    <main style={{ color: 'red', '--gap': '1px' }}>
      <img src={logo} alt="logo" />
      <button style={{ width: `${text.length}em` }} onClick={() => setText('clicked')}>
        count
      </button>
      <svg width="8" height="8" dangerouslySetInnerHTML={{ __html: '<circle cx="4" cy="4" r="4"/>' }} />
      <Suspense fallback={<p>loading</p>}>{text && <Late text={text} />}</Suspense>
    </main>
  )
}
